# RCM + MAM (arXiv 2112.05351), fig. 7: mIoU over the threshold.
# Without published figures.
_base_ = './rcm_mam_fig4.py'

title = 'RCM + MAM, figure 7: mIoU over the threshold'
analysis = ['sweep']
