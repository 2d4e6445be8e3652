package guard

import (
	"slices"
	"strings"
	"testing"
)

// lossHost has the places that a host of the lab has.
func lossHost() Host {
	home := "/home/flowstate"
	q := home + "/.config/containers/systemd"
	return Host{
		UID: 1000, User: "flowstate", Home: home, Dir: home + "/app", Runtime: "/run/user/1000",
		Units:   []string{"postgres.service"},
		Volumes: []string{"pgdata"},
		Places: []Place{
			{Path: q, Rule: "files.quadlet", Within: true, What: "Quadlets"},
			{Path: q + "/postgres.container", Rule: "files.quadlet", What: "Quadlet of postgres.service"},
			{Path: q + "/pgdata.volume", Rule: "files.quadlet", What: "Quadlet of pgdata"},
			{Path: home + "/.local/share/containers", Rule: "files.storage", Within: true, Written: true},
			{Path: "/run/user/1000", Rule: "files.runtime", Within: true},
			{Path: home, Rule: "files.home"},
			{Path: home + "/.ssh", Rule: "files.home"},
			{Path: home + "/.config/keeper/keeper.toml", Rule: "keeper.settings", Written: true},
			{Path: home + "/.local/state/keeper", Rule: "keeper.files", Within: true, Written: true},
			{Path: home + "/.claude/settings.json", Rule: "keeper.hook", Written: true},
			{Path: "/srv/ledger/secrets", Rule: "files.protected", Within: true, Written: true},
			{Path: "/var/lib/systemd/linger/flowstate", Rule: "session.linger"},
		},
		Resolve: func(p string) string {
			if rest, ok := strings.CutPrefix(p, home+"/link"); ok {
				return home + "/.config/containers/systemd" + rest
			}
			if p == home+"/app/q" {
				return q + "/postgres.container"
			}
			return p
		},
	}
}

// heard is what the rules say of a call: the rules with ! for yes and ? for maybe, or
// none.
func heard(j *judge) string {
	var list []string
	for _, f := range j.findings {
		mark := "!"
		if f.Unsure {
			mark = "?"
		}
		list = append(list, f.ID+mark)
	}
	if len(list) == 0 {
		return "none"
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// callWords splits at blanks; $X is a hole, @X a taint, ” nothing.
func callWords(line string) []string {
	list := strings.Fields(line)
	for i, w := range list {
		w = strings.ReplaceAll(strings.ReplaceAll(w, "$X", holeWord), "@X", taintWord)
		list[i] = strings.ReplaceAll(strings.ReplaceAll(w, "''", ""), "_", " ")
		list[i] = strings.ReplaceAll(list[i], "~", "/home/flowstate")
	}
	return list
}

type row struct{ line, want string }

func tell(t *testing.T, rows []row, setup func(*call), rule func(*judge, *call)) {
	t.Helper()
	for _, r := range rows {
		w := callWords(r.line)
		c := &call{name: w[0], args: w[1:], dir: "/home/flowstate/app"}
		if setup != nil {
			setup(c)
		}
		j := newJudge(lossHost(), Policy{})
		rule(j, c)
		got := heard(j)
		// A want of one rule with a + is about that one, among others.
		if first, ok := strings.CutSuffix(r.want, " +"); ok {
			if !slices.Contains(strings.Fields(got), first) {
				t.Errorf("%s\n got %s\nwant %s among them", r.line, got, first)
			}
			continue
		}
		if got != r.want {
			t.Errorf("%s\n got %s\nwant %s", r.line, got, r.want)
		}
	}
}

func files(j *judge, c *call) { j.files(c) }

func TestRemove(t *testing.T) {
	t.Parallel()
	tell(t, []row{
		{"rm -rf /", "files.home! +"},
		{"rm -rf --no-preserve-root /", "files.home! +"},
		{"rm -rf /*", "files.home! +"},
		{"rm -rf //", "files.home! +"},
		{"rm -rf /proc/self/root", "files.home! +"},
		{"rm -rf /proc/1/root/home", "files.home! +"},
		{"rm -rf /proc/self/cwd/..", "files.home! +"},
		{"rm -rf ~", "files.home! +"},
		{"rm -fr ~/", "files.home! +"},
		{"rm -r -f ~/.", "files.home! +"},
		{"rm --recursive --force ~", "files.home! +"},
		{"rm --recurs ~", "files.home! +"},
		{"rm ~ -rf", "files.home! +"},
		{"rm -rf -- ~", "files.home! +"},
		{"rm -rf ..", "files.home! +"},
		{"rm -rf ../", "files.home! +"},
		{"rm -rf ../*", "files.home!"},
		{"rm -rf ../.*", "files.home! +"},
		{"rm -rf ~/.[!.]*", "files.home! +"},
		{"rm -rf ~/?*", "files.home!"},
		{"rm -rf /home", "files.home! +"},
		{"rm -rf /home/*", "files.home! +"},
		{"rm -rf /home/other", "files.home!"},
		{"rm -rf /home/other/*", "files.home!"},
		{"rm -rf /home/other/app", "none"},
		{"rm -rf /home/flow*", "files.home! +"},
		{"rm -rf /etc", "files.home!"},
		{"rm -rf /etc/*", "files.home!"},
		{"rm -rf /var/lib/*", "files.home! +"},
		{"rm -rf /var/lib/*", "session.linger! +"},
		{"rm -rf /usr/b[i]n", "files.home!"},
		{"rm -rf ~/.config", "files.quadlet! keeper.settings!"},
		{"rm -rf ~/.conf*", "files.quadlet! keeper.settings!"},
		{"rm -rf ~/.c*", "files.quadlet! keeper.hook! keeper.settings!"},
		{"rm -rf ~/.config/containers/", "files.quadlet!"},
		{"rm -rf ~/.config/*", "files.quadlet! keeper.settings!"},
		{"rm -rf ~/.local/share/containers/storage/volumes/x", "files.storage!"},
		{"rm -rf ~/.local/share/containers/storage/$X", "files.storage!"},
		{"rm -rf ~/.local/share/*", "files.storage!"},
		{"rm -rf ~/.local", "files.storage! keeper.files!"},
		{"rm -rf /run/user/1000", "files.runtime!"},
		{"rm -rf /run/user/*", "files.runtime!"},
		{"rm -rf /run/user/$X", "files.runtime?"},
		{"rm -f /run/user/1000/bus", "files.runtime!"},
		{"rm ~/.config/containers/systemd/postgres.container", "files.quadlet!"},
		{"rm ~/.config/containers/systemd/*.container", "files.quadlet!"},
		{"rm ../.config/containers/systemd/p*", "files.quadlet!"},
		{"rm ~/.config/containers//systemd/./x/../postgres.container", "files.quadlet!"},
		{"rm ~/.config/keeper/keeper.toml", "keeper.settings!"},
		{"rm ~/.claude/settings.json", "keeper.hook!"},
		{"rm /var/lib/systemd/linger/flowstate", "session.linger!"},
		{"rm /var/lib/systemd/linger/*", "session.linger!"},
		{"rm /var/lib/systemd/linger/other", "none"},
		{"rm /srv/ledger/secrets/key", "files.protected!"},
		{"rm ~/link/postgres.container", "files.quadlet!"},
		{"rm -rf ~/link/", "files.quadlet!"},
		{"rm -rf ~/link", "none"}, // the link, not what it points to
		{"rm -rf ~/link/*", "files.quadlet!"},
		{"rm q", "none"},
		{"unlink ~/.claude/settings.json", "keeper.hook!"},
		{"shred -u ~/.config/containers/systemd/postgres.container", "files.quadlet!"},
		{"trash ~/.config", "files.quadlet! keeper.settings!"},
		{"trash-put ~", "files.home! +"},
		{"rip ~/.local/share/containers", "files.storage!"},
		{"gio trash ~/.config/containers", "files.quadlet!"},
		{"gio info ~/.config/containers", "none"},
		{"rm -rf ~/.config/$X", "files.quadlet? keeper.settings?"},
		{"rm -rf ~/$X", "files.home?"},
		{"rm -rf ~/$X/", "files.home?"},
		{"rm -rf ~/$X/*", "files.home?"},
		{"rm -rf ~/$X/build", "none"},
		{"rm -rf ~/app/$X", "none"},
		{"rm -rf $X", "files.home?"},
		{"rm -f $X", "none"},
		{"rm -rf $X.bak", "none"},
		{"rm -rf $X/build", "none"},
		{"rm -rf $X/*", "files.home?"},
		{"rm -rf $X/", "files.home?"},
		{"rm -rf $X/.*", "files.home?"},
		{"rm -rf $X$X/*", "files.home?"},
		{"rm -rf $X/$X", "none"},
		{"rm -f $X/*", "none"},
		{"rm -rf /$X", "files.home?"},
		{"rm -rf /$X/$X", "files.home?"},
		{"rm -rf /$X/build", "none"},
		{"rm -rf @X", "files.storage?"},
		{"rm -rf @X/_data", "files.storage?"},
		{"rm @X", "none"},
		{"rm $X ~", "files.home? +"},
		{"rm -rf ~/app", "none"},
		{"rm -rf .", "none"},
		{"rm -rf *", "none"},
		{"rm -rf ./*", "none"},
		{"rm -rf build dist node_modules", "none"},
		{"rm -rf ~/.cache/*", "none"},
		{"rm -rf ~/app*", "none"},
		{"rm -rf ~/*.log", "none"},
		{"rm -f ~/*", "none"},
		{"rm ~", "none"},
		{"rm -rf /tmp/*", "none"},
		{"rm -rf /tmp/$X", "none"},
		{"rm -rf /var/lib/apt/lists/*", "none"},
		{"rm -rf /var/cache/dnf", "none"},
		{"rm -rf /usr/local/go", "none"},
		{"rm -rf /opt/app", "none"},
		{"rm -rf ~/.local/state/other", "none"},
		{"rm -rf ~/.config/containers/systemd-old", "none"},
		{"rm -rf /home/flowstat", "files.home!"},
		{"rm --help", "none"},
		{"rmdir ~/.config", "none"},
		{"ls -rf /", "none"},
		{"umount /run/user/1000", "files.runtime!"},
		{"umount -l /run/user/1000/", "files.runtime!"},
		{"umount -a", "files.runtime!"},
		{"umount -a -t nfs", "none"},
		{"umount /mnt/usb", "none"},
		{"umount ~/.local/share/containers/storage/overlay", "files.storage!"},
		{"fusermount -u /run/user/1000/doc", "files.runtime!"},
		{"fusermount -V", "none"},
		{"systemd-tmpfiles --remove", "files.runtime?"},
		{"systemd-tmpfiles --user --purge", "files.home?"},
		{"systemd-tmpfiles --create", "none"},
		{"systemd-tmpfiles --clean", "none"},
		{"btrfs subvolume delete ~/.local/share/containers/storage", "files.storage!"},
		{"btrfs subvolume list /", "none"},
	}, nil, files)
}

func TestMove(t *testing.T) {
	t.Parallel()
	tell(t, []row{
		{"mv ~/.config/containers/systemd/postgres.container /tmp", "files.quadlet!"},
		{"mv ~/.config/containers /tmp/x", "files.quadlet!"},
		{"mv ~ /tmp/x", "files.home! +"},
		{"mv ~/* /tmp/x", "files.home!"},
		{"mv -t /tmp ~/.claude/settings.json", "keeper.hook!"},
		{"mv new ~/.config/containers/systemd/postgres.container", "files.quadlet-edit!"},
		{"mv postgres.container ~/.config/containers/systemd/", "files.quadlet-edit!"},
		{"mv -t ~/.config/containers/systemd postgres.container", "files.quadlet-edit!"},
		{"mv new.container ~/.config/containers/systemd/", "none"},
		{"mv -n postgres.container ~/.config/containers/systemd/", "none"},
		{"mv x ~/.local/share/containers/storage/x", "files.storage!"},
		{"mv x ~", "none"},
		{"mv a b", "none"},
		{"mv app/a.container app/b.container", "none"},
		{"mv $X ~/app", "none"},
		{"rename .container .bak ~/.config/containers/systemd/postgres.container", "files.quadlet!"},
		{"rename .jpeg .jpg a.jpeg", "none"},
		{"rsync -a --delete src/ ~", "files.home! +"},
		{"rsync -a --delete src/ ~/", "files.home! +"},
		{"rsync -a --delete src ~/", "none"},
		{"rsync -a --delete src/ ~/.config/containers/systemd/", "files.quadlet! +"},
		{"rsync -a --delete-after --exclude x src/ ~/.config", "files.quadlet! +"},
		{"rsync -an --delete src/ ~", "none"},
		{"rsync -a --delete src/ ~/backup/", "none"},
		{"rsync -a --delete src/ host:/home/flowstate", "files.home! +"},
		{"rsync -a --delete src/ host:/srv/app/", "none"},
		{"rsync -a --delete ./ me@host:", "files.home! +"},
		{"rsync -a src/ ~", "none"},
		{"rsync -a --remove-source-files ~/.config/containers/systemd/ /tmp/x", "files.quadlet!"},
		{"rsync -a postgres.container ~/.config/containers/systemd/", "files.quadlet-edit!"},
		{"scp host:postgres.container ~/.config/containers/systemd/", "files.quadlet-edit!"},
		{"scp ~/.config/containers/systemd/postgres.container host:", "none"},
		{"tar -C ~/.config/containers -xf a.tar", "none"},
		{"tar xzf a.tgz -C ~/.local/share/containers/storage", "files.storage!"},
		{"tar -xzfa.tgz --directory=~/.local/state/keeper", "keeper.files!"},
		{"tar czf a.tgz -C ~/.local/share/containers storage", "none"},
		{"tar xf a.tar", "none"},
		{"tar tf a.tar", "none"},
		{"unzip a.zip -d ~/.local/share/containers/storage", "files.storage!"},
		{"unzip -l a.zip", "none"},
		{"tar --remove-files -cf a.tar ~/.config", "files.quadlet! keeper.settings!"},
		{"tar -czf a.tar ~/.config", "none"},
		{"zip -rm a.zip ~/.local", "files.storage! keeper.files!"},
		{"zip -r a.zip ~/.local", "none"},
	}, nil, files)
}

func TestChangeMode(t *testing.T) {
	t.Parallel()
	tell(t, []row{
		{"chmod 000 ~/.config/containers/systemd/postgres.container", "files.quadlet!"},
		{"chmod -x ~/.config/containers/systemd/postgres.container", "files.quadlet!"},
		{"chmod --reference=a ~/.claude/settings.json", "keeper.hook!"},
		{"chmod -R 777 /", "files.home! +"},
		{"chmod -R 777 ~", "files.home! +"},
		{"chmod 777 -R ~/.local", "files.storage! keeper.files!"},
		{"chmod u+rw,g-w q", "files.quadlet!"},
		{"chown -R root ~", "files.home! +"},
		{"chown -R root: /etc", "files.home!"},
		{"chown -hR root ~/.local/share/containers", "files.storage!"},
		{"chgrp --recursive x /run/user/1000", "files.runtime!"},
		{"chattr +i ~/.claude/settings.json", "keeper.hook!"},
		{"chattr -R -i ~/.local/share/containers", "files.storage!"},
		{"setfacl -R -m u:x:rwx ~/.local/share/containers", "files.storage!"},
		{"setfacl -b ~/.config/containers/systemd/postgres.container", "files.quadlet!"},
		{"chcon -R -t container_file_t ~/.local/share/containers", "files.storage!"},
		{"chcon a:b:c ~/.claude/settings.json", "keeper.hook!"},
		{"chmod 700 ~", "none"},
		{"chmod 755 /etc", "none"},
		{"chmod -R u+w ~/app", "none"},
		{"chmod +x manage.py", "none"},
		{"chmod 600 ~/.ssh/id_ed25519", "none"},
		{"chown -R app /srv", "files.protected!"},
		{"chown -R app /opt", "none"},
		{"chmod -R go= ~/.ssh", "none"},
		{"chown -R other /home/other", "none"},
		{"chmod 644 ~/*", "none"},
		{"chmod --help", "none"},
	}, nil, files)
}

func TestWrite(t *testing.T) {
	t.Parallel()
	q := "~/.config/containers/systemd/postgres.container"
	rows := []row{
		{"> " + q, "files.quadlet-edit!"},
		{">> " + q, "files.quadlet-edit!"},
		{"> ~/.config/containers/systemd/new.container", "none"},
		{"> q", "files.quadlet-edit!"},
		{"> ~/link/postgres.container", "files.quadlet-edit!"},
		{"> ~/.config/keeper/keeper.toml", "keeper.settings!"},
		{"> ~/.claude/settings.json", "keeper.hook!"},
		{"> ~/.local/state/keeper/x", "keeper.files!"},
		{"> /srv/ledger/secrets/key", "files.protected!"},
		{"> /run/user/1000/x", "none"},
		{"> out.txt", "none"},
		{"> $X", "none"},
		{"> ~/$X", "none"},
		{"> /dev/null", "none"},
		{"> /dev/stderr", "none"},
		{"> /dev/tcp/127.0.0.1/80", "none"},
		{"> /dev/sda", "machine.disk!"},
		{"> /dev/nvme0n1", "machine.disk!"},
		{"> /dev/sd$X", "machine.disk?"},
		{"tee " + q, "files.quadlet-edit!"},
		{"tee -a " + q, "files.quadlet-edit!"},
		{"tee log.txt", "none"},
		{"tee /dev/vda", "machine.disk!"},
		{"sponge " + q, "files.quadlet-edit!"},
		{"truncate -s 0 " + q, "files.quadlet!"},
		{"truncate -s 0 log", "none"},
		{"touch ~/.local/state/keeper/x", "keeper.files!"},
		{"mkdir -p ~/.local/share/containers/storage/x", "files.storage!"},
		{"mkdir -p ~/.config/containers/systemd", "none"},
		{"touch " + q, "none"},
		{"dd if=a of=" + q, "files.quadlet-edit!"},
		{"dd if=/dev/zero of=" + q, "files.quadlet!"},
		{"dd if=/dev/zero of=disk.img bs=1M", "none"},
		{"dd if=/dev/sda of=disk.img", "none"},
		{"dd if=disk.img of=/dev/sda", "machine.disk!"},
		{"dd if=x of=/dev/null", "none"},
		{"dd if=x of=$X", "none"},
		{"cp a " + q, "files.quadlet-edit!"},
		{"cp /dev/null " + q, "files.quadlet!"},
		{"cp postgres.container ~/.config/containers/systemd/", "files.quadlet-edit!"},
		{"cp -t ~/.config/containers/systemd postgres.container", "files.quadlet-edit!"},
		{"cp *.container ~/.config/containers/systemd/", "files.quadlet-edit?"},
		{"cp new.container ~/.config/containers/systemd/", "none"},
		{"cp " + q + " /tmp/", "none"},
		{"cp -n a " + q, "none"},
		{"cp -r ~ /backup", "none"},
		{"cp x ~/.claude/settings.json", "keeper.hook!"},
		{"cp disk.img /dev/sdb", "machine.disk!"},
		{"install -m 644 a " + q, "files.quadlet-edit!"},
		{"install -d ~/.config/containers/systemd", "none"},
		{"install -m 644 a b", "none"},
		{"ln -sf a " + q, "files.quadlet-edit!"},
		{"ln -sf /dev/null " + q, "files.quadlet!"},
		{"ln -s a " + q, "none"},
		{"ln -s /dev/null ~/.config/systemd/user/postgres.service", "stack.unit!"},
		{"ln -s /dev/null ~/.config/systemd/user/other.service", "none"},
		{"curl -o " + q + " http://h/x", "files.quadlet-edit!"},
		{"curl -fsSLo x http://h/x", "none"},
		{"wget -O ~/.claude/settings.json http://h/x", "keeper.hook!"},
		{"patch " + q + " a.diff", "files.quadlet-edit!"},
		{"patch -p1 -i a.diff", "none"},
		{"sed -i s/a/b/ " + q, "files.quadlet-edit!"},
		{"sed -i.bak s/a/b/ " + q, "files.quadlet-edit!"},
		{"sed -Ei s/a/b/ " + q, "files.quadlet-edit!"},
		{"sed -ie s/a/b/ " + q, "files.quadlet-edit!"},
		{"sed -i -e s/a/b/ " + q, "files.quadlet-edit!"},
		{"sed --in-place=.bak s/a/b/ " + q, "files.quadlet-edit!"},
		{"sed -i s/a/b/ ~/.config/containers/systemd/*.container", "files.quadlet-edit!"},
		{"sed -i s/a/b/ src/a.py", "none"},
		{"sed -n 1p " + q, "none"},
		{"sed s/i/b/ " + q, "none"},
		{"sed -e s/i/b/ " + q, "none"},
		{"perl -pi -e s/a/b/ " + q, "files.quadlet-edit!"},
		{"perl -i.bak -pe s/a/b/ " + q, "files.quadlet-edit!"},
		{"perl -ne print " + q, "none"},
		{"perl -Ilib -e print " + q, "none"},
		{"ruby -i -pe x " + q, "files.quadlet-edit!"},
		{"gawk -i inplace x " + q, "files.quadlet-edit!"},
		{"awk x " + q, "none"},
		{"yq -i .a ~/.claude/settings.json", "keeper.hook!"},
		{"yq .a ~/.claude/settings.json", "none"},
		{"crudini --set " + q + " a b c", "files.quadlet-edit!"},
		{"crudini --get " + q + " a b", "none"},
		{"ed -s " + q, "files.quadlet-edit!"},
		{"ex -s -c wq " + q, "files.quadlet-edit!"},
		{"vim -c wq " + q, "files.quadlet-edit!"},
		{"vim -R " + q, "none"},
		{"nano a.py", "none"},
	}
	tell(t, rows, nil, files)
	empty := func(c *call) { c.fed = true }
	tell(t, []row{
		{"> " + q, "files.quadlet!"},
		{">> " + q, "files.quadlet-edit!"},
		{"tee " + q, "files.quadlet!"},
		{"> log", "none"},
		{"> ~/.claude/settings.json", "keeper.hook!"},
	}, empty, files)
	// In a directory that is not known only a Quadlet's name says anything.
	nowhere := func(c *call) { c.dir = "" }
	tell(t, []row{
		{"rm postgres.container", "files.quadlet?"},
		{"rm systemd/postgres.container", "files.quadlet?"},
		{"rm *.container", "files.quadlet?"},
		{"rm other.container", "none"},
		{"rm other/postgres.container", "none"},
		{"rm -rf *", "files.home?"},
		{"rm -f *", "none"},
		{"rm -rf build/*", "none"},
		{"rm -rf .config", "none"},
		{"> postgres.container", "files.quadlet-edit?"},
		{"> settings.json", "none"},
		{"rm -rf ..", "none"},
	}, nowhere, files)
}
