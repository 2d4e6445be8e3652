package guard

import "time"

// testHost is the host of the corpus: an account with a stack of four services, with
// keeper and with the guard in its agents' settings.
func testHost() Host {
	const home = "/home/flowstate"
	h := Host{
		UID: 1000, User: "flowstate", Home: home,
		Dir:     home + "/app",
		Runtime: "/run/user/1000",
		Units: []string{
			"postgres.service", "redis.service", "minio.service", "django.service", "stack-network.service",
			"postgres-volume.service", "redis-volume.service", "minio-volume.service", "django-volume.service",
		},
		Containers: []string{"postgres", "redis", "minio", "django"},
		Volumes:    []string{"postgres", "redis", "minio", "django"},
		Networks:   []string{"stack"},
		Ports:      []int{8000, 9000, 9001},
		Mounts: map[string][]Mount{
			"postgres": {{Source: "postgres", Inside: "/var/lib/postgresql/data"}},
			"redis":    {{Source: "redis", Inside: "/data"}},
			"minio":    {{Source: "minio", Inside: "/data"}},
			"django":   {{Source: "django", Inside: "/srv/media"}},
		},
		Places: testPlaces(home),
		Read: func(path string) (string, bool) {
			text, ok := testFiles[path]
			return text, ok
		},
		Now: time.Date(2026, 1, 5, 17, 30, 0, 0, time.UTC),
	}
	return h
}

// testFiles are what lines of the corpus read.
var testFiles = map[string]string{
	"/home/flowstate/app/deadly.sh":  "#!/bin/bash\n# Reload the session.\nset -e\nloginctl terminate-user flowstate\n",
	"/home/flowstate/app/deploy.sh":  "#!/bin/bash\nset -e\ngit pull\n./build \"$@\"\nsystemctl --user daemon-reload\nsystemctl --user restart django\n$NOTIFY done\n",
	"/home/flowstate/app/drop.sql":   "BEGIN;\nDROP TABLE accounts;\nCOMMIT;\n",
	"/home/flowstate/app/schema.sql": "-- drop table accounts;\nCREATE TABLE notes (id int, text text DEFAULT 'truncate');\n",
	"/home/flowstate/app/Makefile":   "build:\n\tgo build ./...\nkill:\n\tpkill -f 'npm run dev'\nstop:\n\tpodman rm -f test-web\n",
}

func testPlaces(home string) []Place {
	quadlets := home + "/.config/containers/systemd"
	units := home + "/.config/systemd/user"
	places := []Place{
		{Path: quadlets, Rule: "files.quadlet", Within: true, What: "the Quadlets"},
		{Path: home + "/.local/share/containers", Rule: "files.storage", Within: true, Written: true, What: "the storage of the containers"},
		{Path: "/run/user/1000", Rule: "files.runtime", Within: true, What: "the runtime directory"},
		{Path: "/var/lib/systemd/linger", Rule: "session.linger", Within: true, What: "the marks of linger"},
		{Path: home + "/.local/state/keeper", Rule: "keeper.files", Within: true, Written: true, What: "keeper's state"},
		{Path: "/etc/keeper", Rule: "keeper.files", Within: true, Written: true, What: "root's settings of keeper"},
		{Path: home + "/.config/keeper/keeper.toml", Rule: "keeper.settings", Written: true, What: "keeper's settings"},
		{Path: home + "/archive", Rule: "files.protected", Within: true, Written: true, What: "protected by the settings"},
		{Path: "/etc/claude-code", Rule: "keeper.hook", Within: true, Written: true, What: "managed settings of an agent"},
		{Path: home + "/.copilot", Rule: "keeper.hook", Within: true, Written: true, What: "settings of an agent"},
	}
	for _, name := range []string{"postgres.container", "redis.container", "minio.container", "django.container", "postgres.volume", "redis.volume", "minio.volume", "django.volume", "stack.network"} {
		places = append(places, Place{Path: quadlets + "/" + name, Rule: "files.quadlet", Written: true, What: "the Quadlet " + name})
	}
	for _, path := range []string{units + "/keeper.service", units + "/keeper-session.service", home + "/.local/bin/keeper", home + "/.local/bin/keeper-guard", home + "/.local/bin/keeper-adopt", "/usr/bin/keeper"} {
		places = append(places, Place{Path: path, Rule: "keeper.files", Written: true, What: "a part of keeper"})
	}
	for _, path := range []string{"/.claude/settings.json", "/.gemini/settings.json", "/.codex/config.toml", "/.codex/hooks.json"} {
		places = append(places, Place{Path: home + path, Rule: "keeper.hook", Written: true, What: "settings of an agent"})
	}
	for _, path := range []string{
		"/", "/home", home, "/etc", "/usr", "/var", "/var/lib", "/boot", "/opt", "/srv", "/root", "/bin", "/lib", "/dev",
		home + "/.ssh", home + "/.config", home + "/.local", home + "/.local/share",
	} {
		places = append(places, Place{Path: path, Rule: "files.home", What: "a home or a directory of the system"})
	}
	return places
}
