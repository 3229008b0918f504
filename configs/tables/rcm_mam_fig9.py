# RCM + MAM (arXiv 2112.05351), fig. 9: more CAMs, with scores of each image.
# Without published figures; what it shows is our reading.
_base_ = './rcm_mam_fig4.py'

title = 'RCM + MAM, figure 9: more CAMs, with scores of each image'
