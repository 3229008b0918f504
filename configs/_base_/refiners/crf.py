# Dense CRF on the CAM as in PPC and EPS: alpha 8, 5 iterations.
pipeline = dict(mask=dict(type='CRFMask', alpha=8, preset='eps'))
