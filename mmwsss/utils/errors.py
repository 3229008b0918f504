"""One line that says what is wrong in a config, a file, a plugin or the machine."""

import difflib
import errno
import inspect
import linecache
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .traces import WORKER, Call, calls, plugin_call

if TYPE_CHECKING:
    from mmengine.registry import Registry

_KILLED = ('a data worker was killed, most often by the system because memory ran out; lower '
           'num_workers, the batch size or the size of the images')
_MEMORY = 'memory ran out; lower the batch size, the size of the images or num_workers'
# What breaks in the main process when a worker is killed.
_BROKEN = (ConnectionError, EOFError)
_WORKERS = ('multiprocessing', os.path.join('torch', 'utils', 'data'))
# Packages whose components go by their prefix.
SCOPES = ('mmseg', 'mmpretrain')


def _registries() -> 'list[Registry]':
    from .option_types import registries  # which imports mmengine
    return registries()


def did_you_mean(name: str, names: list[str]) -> str:
    """The end of a message that proposes the nearest names; empty if none is near."""
    return _either(difflib.get_close_matches(name, names, n=3))


def _either(names: list[str]) -> str:
    return f'; did you mean {" or ".join(names)}?' if names else ''


def constructor_options(cls: type) -> list[str]:
    """Names of the options of a class, those that it hands on to its parents by ``**kwargs``
    included."""
    options: list[str] = []
    for parent in cls.__mro__:
        if '__init__' not in vars(parent) or parent is object:
            continue
        parameters = list(inspect.signature(parent.__init__).parameters.values())[1:]
        options += [p.name for p in parameters
                    if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return list(dict.fromkeys(options))


def _building(error: BaseException) -> tuple[Any, dict]:
    """Class (or function) and options of the component that was being built from its config, the
    innermost; None where the error came from elsewhere."""
    frame, built = error.__traceback__, (None, {})
    while frame is not None:
        if frame.tb_frame.f_code.co_name == 'build_from_cfg':
            values = frame.tb_frame.f_locals
            built = values.get('obj_cls'), values.get('args', {})
        frame = frame.tb_next
    return built


def _registered(name: str) -> type | None:
    found = (registry.get(name) for registry in _registries())
    return next((one for one in found if inspect.isclass(one)), None)


def _owner_of_option(error: TypeError, function: str) -> Any:
    """The component (or its name) whose option a call of ``function`` refused or lacked: the one
    that was built, or another constructor, or what a package calls; None where the arguments are
    those of code, not of a config."""
    kind, _ = _building(error)
    last = '.'.join(function.split('.')[-2:])  # without what its class is within
    built = ([f'{parent.__name__}.__init__' for parent in kind.__mro__] if inspect.isclass(kind)
             else [getattr(kind, '__name__', None)])
    if last in built:
        return kind
    if plugin_call(error):
        return None
    name = last.removesuffix('.__init__')
    if name == last and not any(call.is_foreign for call in calls(error)[-1:]):
        return None
    return _registered(name) or name


def _of_option(error: TypeError, text: str) -> str | None:
    """An option that a component does not have or lacks."""
    refused = re.search(r"([\w.]+)\(\) got an unexpected keyword argument '(\w+)'", text)
    lacking = re.search(r'([\w.]+)\(\) missing \d+ required .* arguments?: (.*)', text)
    if not refused and not lacking:
        return None
    function, key = (refused or lacking).groups()
    owner = _owner_of_option(error, function)
    if owner is None:
        return None
    name = getattr(owner, '__name__', owner)
    if lacking:
        return f'{name} lacks the option {key}'
    options = constructor_options(owner) if inspect.isclass(owner) else []
    known = (f'; its options are {", ".join(options)} (is it of a base config? _delete_=True drops '
             'the options there)') if options else ''
    return f'{name} has no option "{key}"{did_you_mean(key, options) or known}'


def _called(text: str) -> Call | None:
    """Where a plugin defines the method that a TypeError is about, which mmwsss calls otherwise."""
    match = re.match(r'(?:.*\.)?(\w+)\.(\w+)\(\) (?:missing|takes|got) ', text)
    method = match and getattr(_registered(match[1]), match[2], None)
    code = getattr(method, '__code__', None)
    if code is None:
        return None
    call = Call(code.co_filename, code.co_firstlineno, f'{match[1]}.{match[2]}')
    return None if call.is_own or call.is_foreign else call


def _at(error: BaseException, place: Call | None = None) -> str:
    """The end of a message: class and place of an error in the user's code; empty for others."""
    place = place or plugin_call(error)
    return f' ({type(error).__name__} {place})' if place else ''


def _is_raised_here(error: BaseException) -> bool:
    """Whether a ``raise`` in mmwsss made the error, so that its text is meant for the user."""
    last = ([None] + calls(error))[-1]
    return last is not None and last.is_own and (
        linecache.getline(last.file, last.line).lstrip().startswith('raise '))


def _of_system(error: OSError) -> str:
    """A full disk, a folder that cannot be written, and the like."""
    file = f'"{error.filename}"' if error.filename else 'a file'
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (f'no space is left on the disk for {file}; free some, then the same command (with '
                '--resume, where it has that) resumes. Nothing is half written')
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (f'{file} cannot be read or written ({error.strerror}); fix its permissions, or '
                'choose another folder')
    return f'{file}: {error.strerror}'


def _of_machine(error: BaseException, text: str) -> str | None:
    """Killed workers, memory, the other processes of a run."""
    if isinstance(error, _BROKEN) and any(
            part in call.file for call in calls(error) for part in _WORKERS):
        return _KILLED
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, RuntimeError):
        if 'DataLoader worker' in text and ('exited unexpectedly' in text or 'killed' in text):
            return _KILLED + ('; or give the container more shared memory (--shm-size)'
                              if 'shared memory' in text else '')
        if 'out of memory' in text or "can't allocate memory" in text:
            return _MEMORY
        if 'Connection closed by peer' in text or 'Connection reset by peer' in text:
            return 'another process of the run has ended; its own message says why'
    return None


def _of_constructor(error: BaseException, text: str) -> str | None:
    """What broke while a component was built from its config, most often a value of a wrong type.
    """
    kind, options = _building(error)
    if not inspect.isclass(kind):
        return None
    options = {key: value for key, value in options.items()
               if isinstance(value, (str, int, float, list, tuple, type(None)))}
    shown = ', '.join(f'{key}={value!r}'[:60] for key, value in options.items())
    return (f'{kind.__name__} cannot be built with {shown or "its options"}: '
            f'{text.splitlines()[0] if text else "wrong type"}'
            f'{_at(error, _called(text)) or f" ({type(error).__name__})"}')


def _of_type(error: TypeError, text: str) -> str | None:
    """A call that does not fit the function, in or of a plugin; and what is meant for the user."""
    if text.startswith('name must be None, an instance of str') and '<class' in text:
        return f'@...register_module needs parentheses: register_module(){_at(error)}'
    if _is_raised_here(error) or re.search('cannot inherit from base|cfg should be a dict', text):
        return text
    if _building(error)[0] is None and re.search(r'\w\(\) (missing|takes|got) ', text):
        place = _at(error, _called(text))
        return f'{text}{place}' if place else None
    return None


def propose(registries: 'list[Registry]', name: str, scopes: Sequence[str] = SCOPES) -> str:
    """The end of a message on a component that is not registered: the nearest names, those of
    mmseg and mmpretrain with their prefix.

    Args:
        registries: Where its type was looked for.
        name: What the config says.
        scopes: The packages that it may be of.
    """
    prefix, _, bare = name.rpartition('.')
    scopes = difflib.get_close_matches(prefix, SCOPES, n=1) or scopes
    ours, theirs = [], {}  # without and with prefix, by the name without
    for registry in registries:
        for one in (registry, registry.parent):
            ours += one.module_dict if one else ()
        for scope in scopes:
            if scope not in registry.root.children:
                continue
            registry.root.children[scope].import_from_location()
            for one in registry.root.children[scope].module_dict:
                theirs.setdefault(one, []).append(f'{scope}.{one}')
    if bare in theirs:
        return _either(theirs[bare])
    near = '' if prefix else did_you_mean(bare, ours)
    if not near:
        near = _either([full for one in difflib.get_close_matches(bare, theirs, n=3)
                        for full in theirs[one]])
    return f'{near} (one of your own must be imported through custom_imports)'


def _of_registry(error: KeyError, name: str, kind: str) -> str:
    """A component that is not registered, by the name of the registry."""
    # A part of mmseg that lacks a part of its own means one of mmseg.
    packages = {frame.f_globals.get('__name__', '').split('.')[0]
                for frame, _ in traceback.walk_tb(error.__traceback__)}
    registries = [registry for registry in _registries() if registry.name == kind]
    scopes = [scope for scope in SCOPES if scope in packages] or SCOPES
    return f'there is no {kind} "{name}"{propose(registries, name, scopes)}'


def _of_custom_import(error: ImportError) -> str | None:
    """A module of ``custom_imports``, by what went wrong within it, which mmengine hides."""
    chain: list[BaseException] = [error]
    while chain[-1].__context__ is not None:
        chain.append(chain[-1].__context__)
    for outer, cause in zip(chain, chain[1:]):
        match = re.fullmatch(r'Failed to import ([\w.]+)', str(outer))
        if not match:
            continue
        module, missing = match[1], getattr(cause, 'name', None)
        if isinstance(cause, ModuleNotFoundError) and f'{module}.'.startswith(f'{missing}.'):
            parent, _, child = missing.rpartition('.')
            folders = list(getattr(sys.modules.get(parent), '__path__', [os.getcwd()]))
            near = did_you_mean(child, [info.name for info in pkgutil.iter_modules(folders)])
            return (f'custom_imports: there is no module "{missing}", in "{folders[0]}" or '
                    f'elsewhere on PYTHONPATH{near}')
        return f'custom_imports: "{module}" cannot be imported: {cause}{_at(cause)}'
    return None


def _of_channels(error: BaseException, wanted: str, got: str) -> str | None:
    """A layer whose input has other channels, by the network part that it is in."""
    frame, owner = error.__traceback__, None
    while frame is not None:
        part = frame.tb_frame.f_locals.get('self')
        if hasattr(part, 'forward') and not type(part).__module__.startswith('torch.'):
            owner = type(part).__name__
        frame = frame.tb_next
    return owner and (f'{owner} has a layer for {wanted} channels, but its input has {got}: set '
                      'its in_channels to what the part before it gives')


def explain(error: BaseException) -> str | None:
    """One line that says what is wrong, or None where the error is no mistake of the user.

    A wrong or missing key of a component, an unknown component, every error that mmwsss raises
    itself (ValueError, KeyError with a sentence, missing files and packages, losses that are no
    numbers), and what the machine does (full disks, killed workers, memory) are explained.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if WORKER in text:
        text = text.strip().rsplit('\n', 1)[-1].split(': ', 1)[-1].strip('\'"')
    text = text.strip()
    machine = _of_machine(error, text)
    if machine:
        return machine
    if isinstance(error, TypeError):
        found = _of_option(error, text) or _of_type(error, text)
        if found:
            return found
    if isinstance(error, KeyError):
        match = re.search(r'(\S+) is not in the (?:\w*::)?(.+?) registry', text)
        if match:
            return _of_registry(error, *match.groups())
        if text == 'gt_sem_seg':  # of mmseg's metrics
            return ('the images have no masks, so no metric can score them: set mask_dir or '
                    'seg_dir of the data set, or take val_evaluator and test_evaluator out '
                    '(tools/make_submission.py predicts without)')
        if ' ' in text:
            return ' '.join(text.split())
    if isinstance(error, SyntaxError) and error.filename:
        return (f'config "{error.filename}", line {error.lineno}: {error.msg}'
                f'{f" ({error.text.strip()})" if error.text else ""}')
    if isinstance(error, FileNotFoundError) and error.filename:
        return f'"{error.filename}" does not exist'
    if isinstance(error, OSError) and error.errno and error.strerror:
        return _of_system(error)
    if isinstance(error, RuntimeError):
        channels = re.search(r'to have (\d+) channels, but got (\d+) channels', text)
        if channels:
            return _of_channels(error, *channels.groups())
        if _is_raised_here(error):
            return text
    if isinstance(error, ImportError):
        return _of_custom_import(error) or f'{text}{_at(error)}'
    if isinstance(error, (ValueError, OSError, FloatingPointError)):
        return f'{text or type(error).__name__}{_at(error)}'
    return _of_constructor(error, text) if isinstance(error, Exception) else None
