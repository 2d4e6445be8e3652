package guard

import (
	"testing"
)

func TestFind(t *testing.T) {
	t.Parallel()
	tell(t, []row{
		{"find ~ -delete", "files.home! +"},
		{"find / -delete", "files.home! +"},
		{"find ~ -type f -delete", "files.home! +"},
		{"find ~ -name * -delete", "files.home! +"},
		{"find ~ -mtime +30 -delete", "files.home! +"},
		{"find ~ ! -name x -delete", "files.home! +"},
		{"find ~ -not ( -name x -o -name y ) -delete", "files.home! +"},
		{"find ~ -name x -o -delete", "files.home! +"},
		{"find -L ~ -delete", "files.home! +"},
		{"find ~ -name *.container -delete", "files.quadlet!"},
		{"find ~ -iname *.CONTAINER -delete", "files.quadlet!"},
		{"find ~ -path */containers/systemd/* -delete", "files.quadlet!"},
		{"find ~ -name settings.json -delete", "keeper.hook!"},
		{"find ~ -name $X -delete", "files.home? +"},
		{"find ~/.local/share/containers -name *.log -delete", "files.storage!"},
		{"find /run/user/1000 -delete", "files.runtime!"},
		{"find ~/.config -delete", "files.quadlet! keeper.settings!"},
		{"find .. -delete", "files.home! +"},
		{"find $X/ -delete", "files.home?"},
		{"find $X -delete", "files.home?"},
		{"find $X -name *.pyc -delete", "none"},
		{"find . -delete", "none"},
		{"find -delete", "none"},
		{"find . -name *.pyc -delete", "none"},
		{"find ~ -name *.pyc -delete", "none"},
		{"find ~ -name __pycache__ -type d -delete", "none"},
		{"find ~ -type d -empty -delete", "none"},
		{"find ~ -name *.log -o -name *.tmp -delete", "none"},
		{"find ~ ( -name *.log -o -name *.tmp ) -mtime +3 -delete", "none"},
		{"find ~ -path */node_modules/* -delete", "none"},
		{"find ~ -maxdepth 1 -type f -delete", "none"},
		{"find ~ -maxdepth 1 -name *.container -delete", "none"},
		{"find / -name core -delete", "none"},
		{"find ~ -name *.container", "none"},
		{"find ~ -xtype l -delete", "none"},
		{"find /tmp -delete", "none"},
		{"find ~/.config/containers/systemd -exec rm {} +", "none"}, // a call of its own
		// What the walker makes of find -exec.
		{"rm -rf ~/**", "files.home! +"},
		{"rm -rf ~/**/*", "files.home! +"},
		{"rm ~/**/*.container", "files.quadlet!"},
		{"rm ~/**/postgres.*", "files.quadlet!"},
		{"rm -rf ~/**/containers", "files.quadlet! files.storage!"},
		{"rm -rf ~/**/__pycache__", "none"},
		{"rm ~/**/*.pyc", "none"},
		{"rm -rf ./**/node_modules", "none"},
		{"rm -rf ~/.local/share/containers/**/x", "files.storage!"},
		{"sed -i x ~/**/*.container", "files.quadlet-edit!"},
		{"chmod +x ~/**/*.sh", "none"},
	}, nil, files)
}
