# IRN: IRNet learns class boundaries from confident labels (CRF at two constant backgrounds); the
# CAM walks within them. Methods differ in the two thresholds (IRN .30/.05, KTSE .30/.10); they must
# suit the CAM, see tools/analysis_tools/sweep_refinement.py.
pipeline = dict(
    affinity=dict(
        config='configs/irn/irnet_r50_voc.py',
        labels=dict(type='IRLabel', fg=0.30, bg=0.05, preset='irn_label')),
    mask=dict(type='IRNMask', bg=0.25, beta=10, log_steps=8))
