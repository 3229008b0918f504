# KTSE on the voc6 protocol, the same budget of pictures as its baseline.
#   python tools/run_pipeline.py projects/voc_animals/configs/ktse_mobilenet_voc6.py
_base_ = './gpp_mobilenet_voc6.py'

begin = _base_.warmup
sie = dict(type='SimulatedInterImageErasing', num_pairs=4, begin=begin)
ssr = dict(type='SelfSupervisedRegularization', begin=begin)
mga = dict(type='MultiGranularityAlignment', begin=begin)
model = dict(head=dict(background=True), modules=[sie, ssr, mga])
single_dataset = _base_.train_dataloader.dataset
train_dataloader = dict(
    dataset=dict(_delete_=True, type='PairedDataset', dataset=single_dataset, begin=begin))
