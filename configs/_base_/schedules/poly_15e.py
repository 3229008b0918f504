# PSA's training of the CAM classifier on ResNet38: 15 epochs of batch 16 at rate .01 (.1 on VGG16).
_base_ = './poly.py'
