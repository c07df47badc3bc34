"""How much memory is free for this process, on the machine and in the container that it runs in."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def available_memory() -> int:
    """Bytes that can be allocated without swapping: what the machine has free, and what control groups leave of it."""
    import psutil  # noqa: PLC0415 - not needed by `import wilks`

    return min([int(psutil.virtual_memory().available), *_left_by_cgroups(_OWN_CGROUPS, _CGROUPS)])


def _left_by_cgroups(own: Path, root: Path) -> list[int]:
    """Bytes left in every control group around this process that has a limit; none outside Linux.

    A limit of a group holds for the groups within it, so all of them are asked, from the own one up to the root.
    """
    if not own.exists():
        return []
    left = []
    for line in own.read_text("ascii", errors="replace").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            folder, names = root, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            folder = root / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # Within a container the path may be that of the host, which is not visible: its root stands for it then.
        relative = PurePosixPath(path).relative_to("/")
        for group in dict.fromkeys([relative, *relative.parents]):
            found = _left(folder / group, *names)
            if found is not None:
                left.append(found)
    return left


def _left(folder: Path, limit_name: str, usage_name: str, cache_name: str) -> int | None:
    limit, usage = _number(folder / limit_name), _number(folder / usage_name)
    if limit is None or usage is None:
        return None
    cache = 0  # pages of files that nobody used lately are given back on demand
    statistics = folder / "memory.stat"
    if statistics.exists():
        for line in statistics.read_text("ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == cache_name:
                cache = int(value)
    return max(limit - usage + cache, 0)


def _number(path: Path) -> int | None:
    if not path.exists():
        return None
    text = path.read_text("ascii").strip()
    return int(text) if text.isdigit() else None
