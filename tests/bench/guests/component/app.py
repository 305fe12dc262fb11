"""The thermostat's loop as a component: what of a node it needs comes through thermostat.wit."""

from wit_world.imports import node


class WitWorld:
    """The world that thermostat.wit names."""

    def run(self) -> None:
        """Until the node says stop."""
        on = False
        while not node.wait(5000):
            celsius = node.probe()
            node.publish("temperature", celsius)
            setpoint, half = node.setting("setpoint"), node.setting("hysteresis") / 2
            if celsius >= setpoint + half if on else celsius <= setpoint - half:
                on = not on
                node.heater(on)
        node.heater(False)
