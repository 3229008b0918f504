"""Tables and figures of the papers: ``configs/tables``, run by ``tools/reproduce.py``."""

from .page import write_page
from .result import Figure, collect, measure, print_cells, write_cells
from .runs import Workplace, job_commands, run_processes, submit
from .table import DATA, Row, Table, TableColumn

__all__ = [
    'DATA', 'Figure', 'Row', 'Table', 'TableColumn', 'Workplace', 'collect',
    'job_commands', 'measure', 'print_cells', 'run_processes', 'submit', 'write_cells',
    'write_page'
]
