package guard

import (
	"testing"
)

func TestDisk(t *testing.T) {
	t.Parallel()
	tell(t, []row{
		{"mkfs.ext4 /dev/sda1", "machine.disk!"},
		{"mkfs -t xfs /dev/mapper/vg-root", "machine.disk!"},
		{"mkfs.xfs -f /dev/vg0/root", "machine.disk?"},
		{"mkfs.ext4 $X", "machine.disk?"},
		{"mkfs.ext4 disk.img", "none"},
		{"mkfs.ext4 /tmp/disk.img", "none"},
		{"mkfs.ext4 -n /dev/sda1", "none"},
		{"mkfs.ext4 /dev/loop0", "none"},
		{"mkswap /dev/sdb2", "machine.disk!"},
		{"wipefs -a /dev/sda", "machine.disk!"},
		{"wipefs --all /dev/disk/by-id/x", "machine.disk!"},
		{"wipefs /dev/sda", "none"},
		{"wipefs -an /dev/sda", "none"},
		{"blkdiscard /dev/nvme0n1", "machine.disk!"},
		{"sgdisk -Z /dev/sda", "machine.disk!"},
		{"sgdisk --zap-all /dev/sda", "machine.disk!"},
		{"sgdisk -p /dev/sda", "none"},
		{"parted -s /dev/sda mklabel gpt", "machine.disk!"},
		{"parted /dev/sda rm 1", "machine.disk!"},
		{"parted /dev/sda $X", "machine.disk?"},
		{"parted /dev/sda print", "none"},
		{"parted -l", "none"},
		{"fdisk -l /dev/sda", "none"},
		{"shred /dev/sda", "machine.disk!"},
		{"shred -n1 -v /dev/nvme0n1", "machine.disk!"},
		{"cryptsetup luksFormat /dev/sda2", "machine.disk!"},
		{"cryptsetup luksFormat a.img", "none"},
		{"cryptsetup luksDump /dev/sda2", "none"},
		{"lvremove -f vg0/root", "machine.disk!"},
		{"vgremove vg0", "machine.disk!"},
		{"lvs", "none"},
		{"zpool destroy tank", "machine.disk!"},
		{"zpool status", "none"},
		{"zfs destroy -r tank/x", "machine.disk!"},
		{"zfs list", "none"},
		{"mdadm --zero-superblock /dev/sda1", "machine.disk!"},
		{"mdadm --detail /dev/md0", "none"},
		{"hdparm -I /dev/sda", "none"},
		{"nvme format /dev/nvme0n1", "machine.disk!"},
		{"nvme list", "none"},
		{"badblocks -w /dev/sda", "machine.disk!"},
		{"badblocks /dev/sda", "none"},
		{"dd if=/dev/zero of=/dev/disk/by-id/x", "machine.disk!"},
		{"dd if=/dev/zero of=/dev/shm/x", "none"},
	}, nil, files)
	for in, want := range map[string]string{"d\nw\n": "machine.disk!", "p\nq\n": "none", holeWord: "machine.disk?"} {
		tell(t, []row{{"fdisk /dev/sda", want}}, func(c *call) { c.fed, c.stdin = true, in }, files)
	}
	tell(t, []row{{"sfdisk /dev/sda", "machine.disk!"}, {"sfdisk -d /dev/sda", "none"}}, func(c *call) { c.fed, c.stdin = true, "x" }, files)
}
