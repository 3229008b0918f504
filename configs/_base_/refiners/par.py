# Pixel-adaptive refinement at half size; the background is the threshold that suits the seeds best.
pipeline = dict(mask=dict(type='PARMask', bg='oracle'))
