# FSAE (WACV 2025), fig. 3: CAMs with and without FSAE.
# A grid of images, without published figures; what it shows is our reading.
_base_ = '../_base_/tables/fsae_parts.py'

title = 'FSAE, figure 3: CAMs with and without FSAE'
