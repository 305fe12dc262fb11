const skerry = @import("skerry");

pub fn main() u8 {
    run() catch |failure| {
        skerry.log(.err, @errorName(failure));
        return 1;
    };
    return 0;
}

fn run() skerry.Error!void {
    const button = try skerry.Gpio.open("button");
    defer button.close();
    const lamp = try skerry.Gpio.open("lamp");
    const presses = try skerry.Stream.open("presses");
    var on = false;
    var count: f64 = 0;
    while (true) {
        switch (skerry.wait(-1).type) {
            .stop => return,
            .gpio_edge => {
                var json: [8]u8 = undefined;
                const enabled = skerry.twin.get("enabled", &json) catch "true";
                if (enabled[0] == 't') {
                    on = !on;
                    try lamp.write(on);
                }
                count += 1;
                var buffer: [32]u8 = undefined;
                var pack = skerry.Senml.in(&buffer);
                pack.number("", "", count);
                _ = try presses.publish(&pack);
                skerry.log(.info, if (on) "pressed, lamp on" else "pressed, lamp off");
            },
            else => {},
        }
    }
}
