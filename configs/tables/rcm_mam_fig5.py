# RCM + MAM (arXiv 2112.05351), fig. 5: IoU, precision and recall of images.
# Without published figures; what it shows is our reading.
_base_ = './rcm_mam_fig4.py'

title = 'RCM + MAM, figure 5: IoU, precision and recall of images'
