"""Does the README's first command work on a bare Debian? `make test-fresh` tries it, today's releases and tomorrow's.

For each suite: a root with `PACKAGES` and nothing else, a clone of HEAD, and `make demo` in it with an empty
environment and the pip that this Debian brings. Then once more as if years had passed: every package that
requirements.lock names has a newer release, and pip can reach nothing but these and the locked ones. And the steps of
deploy/Containerfile, in roots that stand for its base image.

The roots are kept in the user's cache folder and made anew when they are missing; each run works on a copy. How this
machine reaches its registries (proxies, mirrors, certificates) is handed into the copy. Needs root, for chroot.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import container

SUITES = ("bookworm", "trixie")
OF_THE_IMAGE = "trixie"
"""What the image's base is made of."""
PACKAGES = ("python3", "python3-venv", "git", "make", "ca-certificates")
REPOSITORY = Path(__file__).parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hogline" / "fresh"
LOCKS = ("requirements.lock", "requirements-node.lock")
WITHIN_S = 900

HANDED_IN = re.compile(
    r"(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|NODE_EXTRA_CA_CERTS|GIT_SSL_CAINFO"
    r"|PIP_(INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|CERT|CLIENT_CERT|PROXY|(DEFAULT_)?TIMEOUT)"
    r"|NPM_CONFIG_(REGISTRY|CAFILE|(HTTPS_)?PROXY|STRICT_SSL)",
    re.IGNORECASE,
)
"""Variables that say how registries are reached, and nothing about what is installed."""
CERTIFICATES = ("/etc/ssl/certs", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
SETTINGS = (
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/pip.conf",
    "~/.config/pip/pip.conf",
    "~/.pip/pip.conf",
    "~/.npmrc",
)
HOME = "/home"
"""Of the one who installs Hogline in the root."""


class Broken(Exception):
    """A sentence, and what the command printed."""


def main() -> int:
    if os.geteuid():
        return _as_root()
    try:
        _bring_debootstrap()
        CACHE.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor() as threads:
            results = list(threads.map(_try, sys.argv[1:] or SUITES))
    except Broken as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


def _as_root() -> int:
    command = ["sudo", "--non-interactive", "--preserve-env", sys.executable, __file__, *sys.argv[1:]]
    if shutil.which("sudo") and not _run(["sudo", "--non-interactive", "true"], check=False).returncode:
        return subprocess.run(command, check=False).returncode
    print("`make test-fresh` needs root for debootstrap and chroot: `sudo make test-fresh`.", file=sys.stderr)
    return 1


def _bring_debootstrap() -> None:
    if shutil.which("debootstrap"):
        return
    if shutil.which("apt-get"):
        print("Installing debootstrap …", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (("update",), ("install", "--yes", "--no-install-recommends", "debootstrap")):
            _run(["apt-get", "--quiet", *arguments], environment, check=False)
    if not shutil.which("debootstrap"):
        raise Broken("debootstrap is missing: on Debian and Ubuntu, `apt-get update && apt-get install debootstrap`.")


def _try(suite: str) -> bool:
    """Whether all went well in a root of this suite. Says so, or what went wrong."""
    try:
        _tell(suite, "a bare root", lambda: _make_root(suite))
        with _copy(suite) as root:
            _hand_in(root)
            _run(["git", "clone", "--quiet", "--bare", "--depth=1", f"file://{REPOSITORY}", f"{root}/srv/hogline.git"])
            _tell(suite, "git clone, make demo", lambda: _demo(root))
            _tell(suite, "the same with newer releases of everything", lambda: _demo_later(root))
        if suite == OF_THE_IMAGE:
            _tell(suite, "the container's steps", lambda: _container(suite))
    except (Broken, subprocess.TimeoutExpired, OSError) as problem:
        print(f"{suite:<9} FAILED: {problem}", file=sys.stderr, flush=True)
        return False
    return True


def _tell(suite: str, step: str, act: Callable[[], None]) -> None:
    began = time.monotonic()
    act()
    print(f"{suite:<9} {time.monotonic() - began:5.0f} s  {step}", flush=True)


def _make_root(suite: str) -> None:
    """A root of this suite in the cache, made if it is missing or was made of other packages."""
    root, told = CACHE / suite, CACHE / f"{suite}.packages"
    with (CACHE / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.exists() and told.exists() and told.read_text() == " ".join(PACKAGES):
            return
        shutil.rmtree(root, ignore_errors=True)
        include = f"--include={','.join(PACKAGES)}"
        mirror = _mirror()
        _run(["debootstrap", "--variant=minbase", include, suite, str(root), *mirror], {**os.environ, **_apt_proxy()})
        for left in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / left)
        told.write_text(" ".join(PACKAGES))


def _mirror() -> list[str]:
    """Where this machine takes Debian's packages from; nothing where it is none, and debootstrap knows one."""
    if not shutil.which("apt-get"):
        return []
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian", "Created-By: Packages"]
    return _run(command, check=False).stdout.split()[:1]


def _apt_proxy() -> dict[str, str]:
    if not shutil.which("apt-config"):
        return {}
    found = _run(["apt-config", "shell", "http_proxy", "Acquire::http::Proxy"], check=False).stdout.strip()
    return {"http_proxy": found.split("=", 1)[1].strip("'")} if found else {}


@contextmanager
def _copy(suite: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"{suite}-", dir=CACHE) as place:
        root = Path(place) / "root"
        _run(["cp", "--archive", "--reflink=auto", str(CACHE / suite), str(root)])
        yield root


def _hand_in(root: Path) -> None:
    """How this machine reaches its registries."""
    for name in CERTIFICATES:
        if Path(name).is_dir():
            _run(["cp", "--archive", name, f"{root}{Path(name).parent}"])
    named = (Path(value) for value in _handed_in().values())
    files = [str(path) for path in named if path.is_absolute()]
    for name in (*SETTINGS, *files):
        source, target = Path(name).expanduser(), Path(f"{root}{name.replace('~', HOME)}")
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copyfile(source, target)
    if npm := shutil.which("npm"):
        everybodys = Path(_run([npm, "config", "get", "globalconfig"], check=False).stdout.strip())
        if everybodys.is_file():
            with Path(f"{root}{HOME}/.npmrc").open("a") as settings:
                settings.write("\n" + everybodys.read_text())


def _handed_in() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if HANDED_IN.fullmatch(name)}


def _demo(root: Path) -> None:
    """The README's first commands, in a bare root. Raises Broken unless the demo says what it should, and only that."""
    done = _inside(root, "cd && git clone --quiet /srv/hogline.git hogline && cd hogline && make demo")
    for expected in ("People in Customer.io", "ada@example.com", r"delivered +6 "):
        if not re.search(expected, done.stdout):
            raise Broken(f"The demo did not print {expected!r}:\n{done.stdout}")
    told = [line for line in done.stdout.splitlines() if "could not" in line]
    if told or done.stderr:
        raise Broken("`make demo` is not quiet:\n" + "\n".join(told) + done.stderr)


def _demo_later(root: Path) -> None:
    """Once more, with newer releases of everything, and nothing else that pip could reach."""
    releases = "/srv/releases"
    locks = " ".join(f"--requirement {lock}" for lock in LOCKS)
    pip = f".venv/bin/pip download --quiet --no-deps --require-hashes --dest {releases}"
    _inside(root, f"cd ~/hogline && {pip} {locks}")
    for lock in LOCKS:
        for name in re.findall(r"^([\w.-]+)==", (REPOSITORY / lock).read_text(), re.MULTILINE):
            _release(Path(f"{root}{releases}"), name.replace("-", "_").replace(".", "_"))
    for name in SETTINGS:
        if name.endswith("pip.conf"):
            Path(f"{root}{name.replace('~', HOME)}").unlink(missing_ok=True)
    (root / "etc/pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {releases}\n")
    _inside(root, "rm -r ~/hogline")
    _demo(root)


def _container(suite: str) -> None:
    """The image of deploy/Containerfile, built and run. Raises Broken."""
    with ExitStack() as stack:

        def new_root() -> Path:
            root = stack.enter_context(_copy(suite))
            _hand_in(root)
            (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
            return root

        checkout = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=CACHE)), "hogline")
        _run(["git", "clone", "--quiet", "--depth=1", f"file://{REPOSITORY}", str(checkout)])
        try:
            image = container.build(
                checkout / "deploy" / "Containerfile", checkout, new_root=new_root, run=_inside_with
            )
            told = container.refused(image)
            if "you have not set a password" not in told:
                raise Broken(f"Without a password, the image says:\n{told}")
            container.try_it(image, {"HOGLINE_CONSOLE_PASSWORD": "correct horse battery staple"})
        except container.Wrong as wrong:
            raise Broken(f"deploy/Containerfile: {wrong}") from None


def _release(folder: Path, name: str, version: str = "9999") -> None:
    """A wheel of nothing, newer than any other."""
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def _inside(root: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the root, with no environment but how registries are reached."""
    return _inside_with(root, script, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def _inside_with(root: Path, script: str, more: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": HOME, "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **more, **_handed_in()}
    return _run(["chroot", str(root), "sh", "-c", script], environment)


def _run(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Raises Broken, with the end of what it printed, if the command fails."""
    done = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        timeout=WITHIN_S,
    )
    if check and done.returncode:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise Broken(f"`{' '.join(command)}` ended with exit code {done.returncode}:\n{end}")
    return done


if __name__ == "__main__":
    sys.exit(main())
