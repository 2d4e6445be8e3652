package netns

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"

	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// The daemon and its helper are one program and speak over a pair of sockets that
// keeps messages apart (SOCK_SEQPACKET). The daemon sends requests and shuts its
// side down; the helper answers each namespace with a message, and ends.
//
//	request  "KNS1", then a byte for each namespace: how many sockets; the
//	         namespaces are attached
//	answer   the number of the namespace, from 0, in two bytes, then why there are
//	         no sockets, or nothing; the sockets are attached
const (
	magic = "KNS1"
	// fdsMost is SCM_MAX_FD, what one message may carry.
	fdsMost = 253
	// namespacesMost bounds what a helper takes.
	namespacesMost = 4096
	whyMost        = 200
)

// pair makes the two ends; the second is for the helper.
func pair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "helper's end")
	ours, err := conn(os.NewFile(uintptr(fds[0]), "daemon's end"))
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// conn makes a connection of the file, and closes that.
func conn(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, errors.New("it is no unix socket")
	}
	return u, nil
}

func send(c *net.UnixConn, data []byte, fds []int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	_, _, err := c.WriteMsgUnix(data, rights, nil)
	return err
}

// receive reads one message, with what is attached to it; whoever calls it closes
// that.
func receive(c *net.UnixConn) (data []byte, fds []int, err error) {
	buf := make([]byte, len(magic)+fdsMost+whyMost)
	oob := make([]byte, unix.CmsgSpace(4*fdsMost))
	n, oobn, flags, _, err := c.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	for _, m := range messages {
		if got, perr := unix.ParseUnixRights(&m); perr == nil {
			fds = append(fds, got...)
		}
	}
	if err != nil || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		closeAll(fds)
		return nil, nil, errors.New("a message came cut short: too many open files?")
	}
	return buf[:n], fds, nil
}

// request asks for sockets of some namespaces, at most fdsMost.
func request(counts []byte) []byte { return append([]byte(magic), counts...) }

func parseRequest(data []byte, fds int) (counts []byte, err error) {
	counts, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok || len(counts) == 0 || len(counts) != fds {
		return nil, errors.New("that is no request of this keeper")
	}
	return counts, nil
}

func answer(index int, why string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(index)), why[:min(len(why), whyMost)]...)
}

func parseAnswer(data []byte) (index int, why string, err error) {
	if len(data) < 2 || len(data) > 2+whyMost {
		return 0, "", fmt.Errorf("an answer of %d bytes", len(data))
	}
	return int(binary.BigEndian.Uint16(data)), oneLine(string(data[2:])), nil
}

// oneLine makes a sentence of another program's fit for a log.
func oneLine(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > whyMost {
		s = s[:whyMost]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
