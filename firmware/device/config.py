"""What a node may configure: buses, properties, times. Checked whole before anything is changed.

    {"buses": {"probe": {"scl": "SCL3", "sda": "SDA3", "freq": 100000}},
     "properties": {"air": {"kind": "tmp105", "bus": "probe", "address": 72, "every": 1000,
                            "change": 0.25},
                    "heater": {"kind": "out", "pin": "LED0", "safe": 0},
                    "door": {"kind": "in", "pin": "BUTTON0", "every": 50}},
     "safe_after": 10000, "watchdog": 8000}

`every` and the times are milliseconds. `change`: the least difference that is reported. `safe`: what an
output becomes at the start and when the link has been down for `safe_after`.
"""

PROPERTIES_LIMIT = 32
BUSES_LIMIT = 4
NAME_LIMIT = 24
"""Characters of a name."""
HOUR = 3_600_000

_TEXT = ("text", 1, NAME_LIMIT)
_EVERY = ("integer", 10, HOUR)
_LEVEL = ("integer", 0, 1)
_KINDS: dict[str, dict[str, tuple[str, int, int]]] = {
    "in": {"pin": _TEXT, "every": _EVERY},
    "out": {"pin": _TEXT, "safe": _LEVEL},
    "tmp105": {
        "bus": _TEXT,
        "address": ("integer", 0x08, 0x77),
        "every": _EVERY,
        "change": ("number", 0, 100),
    },
}
_REQUIRED = ("pin", "bus", "address", "scl", "sda")
_DEFAULTS = {"every": 1000, "change": 0.0625, "freq": 100_000}
_BUS = {"scl": _TEXT, "sda": _TEXT, "freq": ("integer", 1_000, 1_000_000)}
_WHOLE = {"safe_after": ("integer", 100, HOUR), "watchdog": ("integer", 1_000, 60_000)}
DEFAULT: dict[str, object] = {
    "buses": {},
    "properties": {},
    "safe_after": 10_000,
    "watchdog": 8_000,
}


class ConfigError(ValueError):
    """The message names the field, as `properties.air.every`, and what it may be."""


def checked(config: object) -> dict[str, object]:
    """The configuration with its defaults; raises ConfigError for the first thing that is wrong."""
    given = _map("config", config)
    _known("", given, ("buses", "properties") + tuple(_WHOLE))
    buses = _map("buses", given.get("buses", {}))
    properties = _map("properties", given.get("properties", {}))
    _count("buses", buses, BUSES_LIMIT)
    _count("properties", properties, PROPERTIES_LIMIT)
    made: dict[str, object] = {
        "buses": {name: _fields(f"buses.{name}", bus, _BUS) for name, bus in buses.items()},
        "properties": {
            name: _property(f"properties.{name}", entry, buses)
            for name, entry in properties.items()
        },
    }
    for name, rule in _WHOLE.items():
        made[name] = _value(name, given.get(name, DEFAULT[name]), rule)
    return made


def _property(where: str, entry: object, buses: dict[object, object]) -> dict[str, object]:
    fields = dict(_map(where, entry))
    kind = fields.pop("kind", None)
    if kind not in _KINDS:
        raise ConfigError(f"{where}.kind: must be one of {', '.join(sorted(_KINDS))}")
    made = _fields(where, fields, _KINDS[str(kind)])
    if "bus" in made and made["bus"] not in buses:
        raise ConfigError(f"{where}.bus: there is no bus {made['bus']} in buses")
    made["kind"] = kind
    return made


def _fields(
    where: str, entry: object, rules: dict[str, tuple[str, int, int]]
) -> dict[str, object]:
    given = _map(where, entry)
    _known(f"{where}.", given, tuple(rules))
    made: dict[str, object] = {}
    for name, rule in rules.items():
        if name in given:
            made[name] = _value(f"{where}.{name}", given[name], rule)
        elif name in _REQUIRED:
            raise ConfigError(f"{where}.{name}: is missing")
        elif name in _DEFAULTS:
            made[name] = _DEFAULTS[name]
    return made


def _value(where: str, value: object, rule: tuple[str, int, int]) -> object:
    what, low, high = rule
    if what == "text":
        if isinstance(value, str) and low <= len(value) <= high:
            return value
        raise ConfigError(f"{where}: must be text of {low} to {high} characters")
    if isinstance(value, bool) or not isinstance(
        value, int if what == "integer" else (int, float)
    ):
        raise ConfigError(f"{where}: must be an {what} from {low} to {high}")
    if low <= value <= high:
        return value
    raise ConfigError(f"{where}: must be an {what} from {low} to {high}")


def _map(where: str, value: object) -> dict[object, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: must be a map")
    return value


def _count(where: str, given: dict[object, object], limit: int) -> None:
    if len(given) > limit:
        raise ConfigError(f"{where}: more than {limit}")
    for name in given:
        if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT:
            raise ConfigError(f"{where}: names are text of 1 to {NAME_LIMIT} characters")


def _known(where: str, given: dict[object, object], names: tuple[str, ...]) -> None:
    for name in given:
        if name not in names:
            raise ConfigError(f"{where}{name}: unknown; there are {', '.join(names)}")
