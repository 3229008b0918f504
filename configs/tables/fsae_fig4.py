# FSAE (WACV 2025), fig. 4: masks with and without FSAE.
# A grid of images, without published figures; what it shows is our reading.
_base_ = '../_base_/tables/fsae_parts.py'

title = 'FSAE, figure 4: masks with and without FSAE'
columns = [
    *_base_.columns,
    dict(key='mask', title='mask', stage='mask', split='train', metric='mIoU')]
