"""The form as a page of its own: Voilà on this machine alone, behind a token, its kernels looked after."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
import webbrowser
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import nbformat
from jupyter_core.utils import ensure_async
from tornado.web import HTTPError
from traitlets.config import Config
from voila.app import Voila

from gcbulk.api.authorisation import Authorisation
from gcbulk.api.credentials import Secret
from gcbulk.api.customers import Customers
from gcbulk.errors import OptionError
from gcbulk.form.background import LAST_CALLS
from gcbulk.recipients.optout_list import opt_outs_file
from gcbulk.sandbox import Sandbox
from gcbulk.sandbox.customers import SandboxCustomer, example_schools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST: Final = "127.0.0.1"
IDLE_SECONDS: Final = 300
"""A kernel whose page is shut and that sends nothing is ended after this time."""
CULL_POLL: Final = 30
STARTING_POLL: Final = 0.2
STARTING_POLLS: Final = 150
KERNEL: Final = "gcbulk"
TEMPLATE: Final = "gcbulk"
# A kernel's complaints could quote a list: what concerns the user is on the page.
LAUNCH: Final = (
    "import os; os.dup2(os.open(os.devnull, os.O_WRONLY), 2); "
    "from ipykernel.kernelapp import launch_new_instance as launch; launch()"
)
LARGEST_MESSAGE: Final = 128 << 20
"""Bytes: far above any piece of an upload, so that no message is ever cut off in silence."""
CELL: Final = "from gcbulk.form import SendForm\n\nSendForm()"
ONLY_FROM_HERE: Final = "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; frame-ancestors 'self'"
"""What the browser is told: a page with children's data asks no other host for anything, nor tells it anything."""


class _App(Voila):
    """Voilà, telling its address once it listens."""

    def __init__(self, told: Callable[[], None], **settings: object) -> None:
        super().__init__(**settings)
        self._told = told

    def launch_browser(self) -> None:
        """Called when the server listens: where Voilà would open a file of its own, the address is told."""
        self._told()

    def stop(self) -> None:
        """End every kernel, one that is only just starting too; each lets its calls in flight come back."""
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of one that is starting it says how it failed
        self.ioloop.run_sync(self._end_kernels)
        shutil.rmtree(self.connection_dir, ignore_errors=True)

    async def _end_kernels(self) -> None:
        for _ in range(STARTING_POLLS):
            try:
                await ensure_async(self.kernel_manager.shutdown_all())
            except HTTPError:  # it does not know yet the kernel that it is starting
                await asyncio.sleep(STARTING_POLL)
            else:
                return


@dataclass(frozen=True, slots=True)
class FormPage:
    """Where the page is. `address` holds the token: whoever has it can send."""

    address: str
    sandbox: Sandbox | None


def serve(*, port: int = 0, sandbox: bool = False, ready: Callable[[FormPage], None]) -> None:
    """Serve the form until interrupted; `ready` is called once the page can be opened.

    `port` 0 takes a free one. With `sandbox`, all pages send to one stand-in, with a journal that ends with it.
    Raises OptionError where the port cannot be used.
    """
    with ExitStack() as stack:
        port = _free_port(port)
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="gcbulk-form-", ignore_cleanup_errors=True))
        )
        local = stack.enter_context(_sandbox(folder)) if sandbox else None
        places = os.pathsep.join(filter(None, (str(folder), os.environ.get("JUPYTER_PATH"))))
        stack.enter_context(_environment({"JUPYTER_PATH": places}))  # where our kernel is found
        token = secrets.token_urlsafe(24)
        page = FormPage(f"http://{HOST}:{port}/?token={token}", local)
        app = _App(lambda: ready(page), config=_config(port, token, folder), log=_quiet())
        _template(folder)
        app.initialize([str(_notebook(folder))])
        app.start()


def open_browser(page: FormPage) -> None:
    """Open the page in the user's browser, where there is one."""
    webbrowser.open(page.address)


def _config(port: int, token: str, folder: Path) -> Config:
    config = Config()
    config.Voila.ip, config.Voila.port, config.Voila.port_retries = HOST, port, 0
    config.Voila.token = token
    config.Voila.open_browser = True  # see _App.launch_browser
    config.Voila.connection_dir_root = str(folder)
    sockets = f"connect-src 'self' ws://{HOST}:{port} ws://localhost:{port} blob: data:"  # 'self' is http: in some
    config.Voila.tornado_settings = {
        "websocket_max_message_size": LARGEST_MESSAGE,
        "headers": {"Content-Security-Policy": f"{ONLY_FROM_HERE}; {sockets}"},
    }
    config.VoilaConfiguration.template = TEMPLATE
    config.VoilaConfiguration.show_tracebacks = False
    config.VoilaConfiguration.preheat_kernel = True  # the next page's kernel is ready before it is opened
    config.VoilaConfiguration.default_pool_size = 1
    config.VoilaConfiguration.file_allowlist = ["^$"]  # the page has no files of its own
    config.MappingKernelManager.cull_idle_timeout = IDLE_SECONDS
    config.MappingKernelManager.cull_interval = CULL_POLL
    config.KernelManager.shutdown_wait_time = LAST_CALLS + 5  # calls in flight are waited for
    config.ZMQChannelsWebsocketConnection.limit_rate = False
    return config


def _notebook(folder: Path) -> Path:
    """The one cell of which the page consists, and the kernel for it: this very Python, whatever else is installed."""
    spec = {
        "argv": [sys.executable, "-c", LAUNCH, "-f", "{connection_file}"],
        "display_name": "gcbulk",
        "language": "python",
    }
    (folder / "kernels" / KERNEL).mkdir(parents=True)
    (folder / "kernels" / KERNEL / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(CELL)],
        metadata={
            "kernelspec": {"name": KERNEL, "display_name": "gcbulk", "language": "python"},
            "title": "Text parents",
        },
    )
    path = folder / "Text parents.ipynb"
    nbformat.write(notebook, path)
    return path


def _template(folder: Path) -> None:
    """The page around the cell, where Voilà looks for it."""
    place = folder / "voila" / "templates" / TEMPLATE
    place.mkdir(parents=True)
    (place / "conf.json").write_text(json.dumps({"base_template": "lab"}), encoding="utf-8")
    source = files("gcbulk.form.browser").joinpath("index.html.j2")
    (place / "index.html.j2").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")


@contextmanager
def _sandbox(folder: Path) -> Iterator[Sandbox]:
    """One stand-in for all pages, handed to their kernels as any platform is: by the environment.

    Whoever tries the form is a partner there, of three invented schools, and has an account of his own too.
    """
    schools = example_schools()
    for one in schools:
        one.authorised = True
    with Sandbox(customers=schools) as local:
        own = SandboxCustomer(local.customer_id, "Your own account", authorised=True)
        local.customers[own.id] = own
        place = folder / "home"
        place.mkdir()
        if opt_outs_file().exists():  # whoever must not be texted is left out of a rehearsal too
            shutil.copy(opt_outs_file(), place)
        settings = {
            "GCBULK_HOME": str(place),
            "GCBULK_STORE_KEY": secrets.token_urlsafe(24),
            "GCBULK_PARTNER_KEY": local.partner_key,
            "GCBULK_STYLE_CLASS": local.style_class,
            "GCBULK_BASE_URL": local.url,
            "GCBULK_CUSTOMER_ID": local.customer_id,
            "GCBULK_API_KEY": local.api_key,
            "GCBULK_JOURNAL": str(folder / "journal.sqlite3"),
        }
        with _environment(settings):
            book = Customers(local.url)
            for one in schools:
                book.take(Authorisation(one.id, one.code, one.name, "own", one.attributes, Secret(one.api_key)))
            yield local


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Settings for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        if sys.platform != "win32":  # there it would let two servers share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise OptionError(f"Port {port} cannot be used: {error.strerror}. Choose another --port.") from None
        return int(probe.getsockname()[1])


def _quiet() -> logging.Logger:
    """Voilà's own talk left out, but for what goes wrong."""
    logging.getLogger("tornado").setLevel(logging.CRITICAL)
    log = logging.getLogger("gcbulk.form.page")
    log.setLevel(logging.ERROR)
    return log
