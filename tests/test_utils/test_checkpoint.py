import os
import pickle

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmwsss.utils.checkpoint import (
    check_pretrained,
    latest_checkpoint,
    load_checkpoint_safely,
    load_from_url,
    load_pretrained,
    register_safe_loader,
)


class Hostile:
    """Runs a command when unpickled without restriction."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark, )


@pytest.fixture
def own_schemes():
    """mmengine's loaders, restored afterwards."""
    schemes = CheckpointLoader._schemes
    CheckpointLoader._schemes = schemes.copy()
    yield
    CheckpointLoader._schemes = schemes


@pytest.mark.parametrize('legacy', [False, True])
def test_hostile_checkpoint_is_refused_and_not_executed(tmp_path, legacy, own_schemes):
    path, mark = tmp_path / 'evil.pth', tmp_path / 'executed'
    if legacy:
        path.write_bytes(pickle.dumps(dict(state_dict=Hostile(str(mark)))))
    else:
        torch.save(dict(state_dict=Hostile(str(mark))), path)
    register_safe_loader()
    for load in (load_checkpoint_safely, CheckpointLoader.load_checkpoint):
        with pytest.raises(ValueError, match='evil.pth'):
            load(str(path))
    assert not mark.exists()


@pytest.mark.parametrize('content', [b'', b'<html>not found</html>', 'cut'])
def test_broken_checkpoint_is_named(tmp_path, content):
    path = tmp_path / 'broken.pth'
    if content == 'cut':
        torch.save(dict(a=torch.rand(1000)), path)
        content = path.read_bytes()[:2000]
    path.write_bytes(content)
    with pytest.raises(ValueError, match='broken.pth.*cut off'):
        load_checkpoint_safely(path)


def test_missing_file_says_where_how_and_what_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        load_checkpoint_safely('pretrain/resnet38d_imagenet.pth')
    text = str(error.value)
    assert str(tmp_path / 'pretrain/resnet38d_imagenet.pth') in text
    assert 'resnet38d_to_mmwsss.py' in text and 'model.backbone.init_cfg=None' in text


def test_plain_checkpoint_round_trip(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(state_dict=dict(a=torch.arange(3)), meta=dict(epoch=1, name='x')), path)
    checkpoint = load_checkpoint_safely(path)
    assert checkpoint['state_dict']['a'].tolist() == [0, 1, 2] and checkpoint['meta']['epoch'] == 1


@pytest.mark.parametrize('wrapper', [None, 'state_dict', 'model', 'net'])
def test_load_pretrained_unwraps(tmp_path, wrapper):
    source, path = nn.Linear(3, 2), tmp_path / 'a.pth'
    state = {f'module.backbone.{key}': value for key, value in source.state_dict().items()}
    torch.save(state if wrapper is None else {wrapper: state}, path)
    target = nn.Linear(3, 2)
    load_pretrained(target, str(path), prefix='backbone')
    assert torch.equal(target.weight, source.weight) and torch.equal(target.bias, source.bias)


def test_load_pretrained_errors_name_keys(tmp_path):
    path = str(tmp_path / 'a.pth')
    torch.save(nn.Linear(3, 20).state_dict(), path)
    with pytest.raises(ValueError, match=r'weight.*\(20, 3\).*\(2, 3\).*classes'):
        load_pretrained(nn.Linear(3, 2), path)
    torch.save(dict(weight=torch.rand(2, 3), extra=torch.rand(1)), path)
    with pytest.raises(ValueError, match='bias.*extra'):
        load_pretrained(nn.Linear(3, 2), path)
    load_pretrained(nn.Linear(3, 2), path, strict=False)
    load_pretrained(nn.Linear(3, 2, bias=False), path, ignore=['extra'])
    torch.save(dict(other=torch.rand(2, 3)), path)
    with pytest.raises(ValueError, match='no weight for Linear'):
        load_pretrained(nn.Linear(3, 2), path, strict=False)


def test_check_pretrained_walks_the_config(tmp_path):
    there = tmp_path / 'there.pth'
    there.touch()
    cfg = Config(dict(model=dict(backbone=dict(
        type='ResNet38d', init_cfg=dict(type='Pretrained', checkpoint=str(there))))))
    check_pretrained(cfg)
    cfg.model.backbone.init_cfg.checkpoint = 'torchvision://resnet50'
    check_pretrained(cfg)
    cfg.model.backbone.init_cfg = [dict(type='Pretrained', checkpoint='not/there.pth')]
    with pytest.raises(FileNotFoundError, match=r'model\.backbone\.init_cfg\.0'):
        check_pretrained(cfg)
    with pytest.raises(FileNotFoundError, match='load_from'):
        check_pretrained(Config(dict(load_from='gone.pth')))
    with pytest.raises(FileNotFoundError, match=r'--cfg-options pipeline\.segment\.model'):
        check_pretrained(cfg, option='pipeline.segment.')


def test_latest_checkpoint(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    pointer = tmp_path / 'last_checkpoint'
    (tmp_path / 'iter_3.pth').touch()
    pointer.write_text('/where/it/was/iter_3.pth')  # the folder was moved
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'iter_3.pth')
    pointer.write_text('/where/it/was/iter_4.pth')
    with pytest.raises(FileNotFoundError, match=r'iter_4.pth.*last_checkpoint.*\[.iter_3.pth.\]'):
        latest_checkpoint(tmp_path)
    for damage in (b'', b'\xff\x00\x01', b'garbage', b'\x00' * 20 + b'.pth'):
        pointer.write_bytes(damage)
        with pytest.raises(ValueError, match='last_checkpoint" is damaged.*iter_3.pth'):
            latest_checkpoint(tmp_path)


@pytest.mark.parametrize('rank, local, downloads', [(0, '0', 1), (2, '0', 1), (3, '1', 0),
                                                    (0, None, 1), (2, None, 0)])
def test_one_process_of_each_node_downloads(tmp_path, monkeypatch, rank, local, downloads):
    """Nodes may share no folder."""
    calls = []
    monkeypatch.setattr('mmengine.dist.get_rank', lambda: rank)
    monkeypatch.delenv('LOCAL_RANK', raising=False)
    if local:
        monkeypatch.setenv('LOCAL_RANK', local)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))

    def download(url, path, progress):
        calls.append(url)
        torch.save(dict(a=torch.ones(1)), path)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    url = 'https://example.org/net.pth?x=1'
    if downloads:
        assert load_from_url(url)['a'] == 1
        assert load_from_url(url)['a'] == 1
    else:
        with pytest.raises(FileNotFoundError, match='could not be downloaded'):
            load_from_url(url)
    assert len(calls) == downloads
