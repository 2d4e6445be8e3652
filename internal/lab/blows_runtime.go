package lab

import "fmt"

// conmonOf matches the conmon of a container.
func conmonOf(name string) []string { return []string{"-f", "^/usr/bin/conmon .* -n " + name + " "} }

const redisQuadlet = "/home/" + User + "/.config/containers/systemd/redis.container"

// quadletBack puts the Quadlet of redis back in its place.
var quadletBack = userMust("cp demo/quadlet/redis.container " + redisQuadlet + "; systemctl --user daemon-reload")

// runtimeBlows are struck at Podman and what it leaves running.
func runtimeBlows() []Blow {
	const g = "runtime"
	libpod := fmt.Sprintf("/run/user/%d/libpod", UID)
	return []Blow{
		{
			// systemd starts what requires a service anew with it.
			ID: "conmon-kill", Group: g, Name: "conmon of a database killed",
			Strike: kill("KILL", conmonOf("postgres")...), Hits: []string{"postgres"}, May: []string{"django"},
			Linger: Back, User: Back, Root: Back,
		},
		{
			ID: "container-kill", Group: g, Name: "process of a container killed",
			Strike: kill("KILL", "-o", "-x", "postgres"), Hits: []string{"postgres"}, May: []string{"django"},
			Linger: Back, User: Back, Root: Back, Quick: true,
		},
		{
			ID: "pasta-kill", Group: g, Name: "pasta killed: containers reach nothing outside",
			Prepare: openOutside, Strike: kill("KILL", "-u", User, "pasta"), Probe: outsideReached, Hits: []string{},
			Undo:   asRoot("ip", "address", "delete", outside+"/32", "dev", "lo"),
			Linger: StaysDown, User: Back, Root: Back,
		},
		{
			ID: "aardvark-kill", Group: g, Name: "aardvark-dns killed: containers find no names",
			Strike: kill("KILL", "-u", User, "aardvark-dns"), Probe: namesResolve, Hits: []string{},
			Linger: StaysDown, User: Back, Root: Back, Quick: true,
		},
		{
			ID: "pause-kill", Group: g, Name: "Podman's pause process killed",
			Strike: asRoot("sh", "-ec", fmt.Sprintf("kill -KILL $(cat /run/user/%d/libpod/tmp/pause.pid)", UID)),
			Linger: Stays, User: Stays, Root: Stays,
		},
		{
			ID: "podman-stop", Group: g, Name: "podman stop -a",
			Strike: asUser("podman", "stop", "-a"), Hits: Services,
			Linger: Back, User: Back, Root: Back,
		},
		{
			ID: "podman-rm", Group: g, Name: "podman rm -fa",
			Strike: asUser("podman", "rm", "-fa"), Hits: Services,
			Linger: Back, User: Back, Root: Back,
		},
		{
			ID: "podman-kill", Group: g, Name: "podman kill -a",
			Strike: asUser("podman", "kill", "-a"), Hits: Services,
			Linger: Back, User: Back, Root: Back,
		},
		{
			ID: "podman-migrate", Group: g, Name: "podman system migrate",
			Strike: asUser("podman", "system", "migrate"), Hits: Services,
			Linger: Back, User: Back, Root: Back,
		},
		{
			ID: "podman-socket-stop", Group: g, Name: "podman.socket stopped",
			Prepare: userMust("systemctl --user start podman.socket"), Strike: userMust("systemctl --user stop podman.socket"),
			Linger: Stays, User: Stays, Root: Stays,
		},
		{
			ID: "libpod-removed", Group: g, Name: "/run/user/UID/libpod removed",
			Strike: asUser("rm", "-rf", libpod), Hits: Services,
			Linger: StaysDown, User: Back, Root: Back,
		},
		{
			ID: "quadlet-deleted", Group: g, Name: "a Quadlet file deleted, then daemon-reload",
			Strike: userMust("rm " + redisQuadlet + "; systemctl --user daemon-reload"), Undo: quadletBack,
			Linger: Stays, User: Stays, Root: Stays, Tells: "redis.container was deleted or emptied",
		},
		{
			ID: "quadlet-emptied", Group: g, Name: "a Quadlet file emptied, then daemon-reload",
			Strike: userMust(": >" + redisQuadlet + "; systemctl --user daemon-reload"), Undo: quadletBack,
			Linger: Stays, User: Stays, Root: Stays, Tells: "redis.container was deleted or emptied",
		},
		{
			ID: "reload-loop", Group: g, Name: "daemon-reload of the user manager in a tight loop",
			Strike: userMust("for i in $(seq 40); do systemctl --user daemon-reload; done"),
			Linger: Stays, User: Stays, Root: Stays,
		},
	}
}
