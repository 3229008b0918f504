# RCM + MAM (arXiv 2112.05351), fig. 6: precision and recall of the modules.
# Without published figures; what it shows is our reading.
_base_ = './rcm_mam_fig4.py'

title = 'RCM + MAM, figure 6: precision and recall of the modules'
