"""What a terminal shows of a training; the file has everything."""

import logging
import subprocess
import sys

import pytest
from mmengine.logging import MMLogger

from mmwsss.utils.console import CompactConsole, compact

EPOCH = ('Epoch(train)  [3][20/25]  base_lr: 1.0e-03 lr: 1.0e-03  eta: 0:01:02  time: 0.5  '
         'data_time: 0.1  loss: 0.56151  loss_cls: 0.5  sie.loss_kt: 0.0615')
LAST = ('Iter(train) [400/400]  base_lr: 1.0e-03 lr: 1.0e-03  eta: 0:00:00  time: 0.5  '
        'data_time: 0.1  loss: 0.2')
VAL = 'Epoch(val) [3][7/7]    seed/mIoU: 40.1  seed/mAP: 93.5  data_time: 0.1  time: 0.2'


class _Runner:
    max_epochs = 24


def record(text, level=logging.INFO):
    return logging.LogRecord('x', level, '', 0, text, (), None)


def test_lines():
    console = CompactConsole(_Runner())
    assert console.text(record(EPOCH)) == (
        'epoch 3 of 24, step 20 of 25  0:01:02 left  loss 0.562, loss_cls 0.5, '
        'sie.loss_kt 0.0615')
    assert console.text(record(EPOCH)) is None  # a moment ago there was one
    assert console.text(record(VAL)) == 'val: seed/mIoU 40.1, seed/mAP 93.5'
    assert console.text(record('Epoch(val) [3][5/7]    eta: 0:00:01  time: 0.1')) is None
    assert console.text(record(LAST)) == (
        'step 400 of 400  0:00:00 left  loss 0.2  mIoU 40.1, mAP 93.5')
    assert console.text(record('masks: 3 of 3')) == 'masks: 3 of 3'
    for text in ('Config:\nmodel = dict()', '\n' + '-' * 60 + '\nSystem environment:',
                 'Hooks will be executed in the following order:\n(VERY_HIGH', 'Exp name: x',
                 'paramwise_options -- head:lr=1', '\nbackbone.w - torch.Size([3]): \nKaiming'):
        assert console.text(record(text)) is None
        assert console.text(record(text, logging.ERROR)) == text


@pytest.mark.parametrize('verbose', [False, True])
def test_the_file_has_everything(tmp_path, capsys, monkeypatch, verbose):
    monkeypatch.setenv('MMWSSS_VERBOSE', str(int(verbose)))
    file = tmp_path / 'a.log'
    logger = MMLogger(f'console{verbose}', log_file=str(file))
    logger.handlers[0].setStream(sys.stdout)
    compact(logger)
    for text in ('Config:\nmodel = dict()', EPOCH, 'hello'):
        logger.info(text)
    logger.warning('careful')
    shown = capsys.readouterr().out
    assert ('Config:' in shown) == verbose and 'hello' in shown and 'careful' in shown
    assert ('0:01:02 left' in shown) != verbose
    for text in ('Config:\nmodel = dict()', EPOCH, 'hello', 'careful'):
        assert text in file.read_text()


@pytest.mark.slow
def test_onedl_does_not_reach_the_user():
    code = ('import mmwsss; from mmwsss.utils import register_all_modules; register_all_modules();'
            'import mmpretrain.datasets, mmseg.datasets; from mmengine.logging import print_log;'
            'print_log("shown")')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0 and 'OneDL' not in done.stdout + done.stderr
    assert 'shown' in done.stdout
