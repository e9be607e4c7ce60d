// Package failpoint lets the fault suite kill a program at a named point in its work, where a kill at a random moment would
// seldom strike. It is off, and costs one atomic load, unless a developer's instance was started for that suite.
package failpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

type points struct{ dir, app string }

var active atomic.Pointer[points]

// Enable lets the files in dir decide at which points app dies: a file named "<app>.<point>" is good for one death. An
// empty dir leaves all points off.
func Enable(dir, app string) {
	if dir != "" {
		active.Store(&points{dir, app})
	}
}

// Hit ends the process at once, as SIGKILL does, if the point is armed. Which process died where is on disk before, in
// the file "hits", so that the suite counts no kill that did not happen.
func Hit(point string) {
	if p := active.Load(); p != nil {
		p.hit(point, die)
	}
}

func (p *points) hit(point string, die func()) {
	name := p.app + "." + point
	if os.Remove(filepath.Join(p.dir, name)) != nil { // of several at the point at once, one finds the file
		return
	}
	if err := record(filepath.Join(p.dir, "hits"), fmt.Sprintf("%s %s\n", time.Now().UTC().Format(time.RFC3339Nano), name)); err != nil {
		return
	}
	die()
}

func record(path, line string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.WriteString(line); err != nil {
		return err
	}
	return file.Sync()
}

func die() {
	if self, err := os.FindProcess(os.Getpid()); err == nil && self.Kill() == nil {
		select {} // the signal is on its way; nothing after the point may run
	}
}
