"""Runs tools/train.py several times in forks of one process, so that imports are paid once.

    python train_in_forks.py TRAIN_PY '[[{"KILL_AT": "3"}, ["config.py", "--resume"]], ...]'

Prints the exit status of each run; that of a killed one is its negative signal.
"""

import json
import os
import runpy
import sys
import traceback

import mmwsss.datasets  # noqa: F401
import mmwsss.engine  # noqa: F401
import mmwsss.evaluation  # noqa: F401
import mmwsss.models  # noqa: F401


def run(train_py, environment, arguments):
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    os.environ.update(environment)
    sys.argv = [train_py, *arguments]
    code = 0
    try:
        os.dup2(2, 1)  # the log is no result
        runpy.run_path(train_py, run_name='__main__')
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code)


if __name__ == '__main__':
    print(json.dumps([run(sys.argv[1], *one) for one in json.loads(sys.argv[2])]))
