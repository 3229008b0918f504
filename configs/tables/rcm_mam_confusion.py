# RCM + MAM (arXiv 2112.05351), section 4.5: confusion of classes that share images.
# The digest does not hold its figures.
_base_ = './rcm_mam_fig4.py'

title = 'RCM + MAM, section 4.5: class confusion'
analysis = ['confusion']
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='mask', title='mask', stage='mask', split='train', metric='mIoU')]
