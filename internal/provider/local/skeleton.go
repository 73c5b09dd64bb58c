package local

import (
	"errors"
	"os"
	"path/filepath"
)

// skeletonFolder below the data folder's tmp is the lowest layer of every
// machine: the mount points its boot needs, where the image lacks them. Found
// there, they are not made in the machine's own writable part, which would cost
// a start a dozen writes to disk and show up in captured images.
const skeletonFolder = ".skeleton"

var (
	skeletonDirs  = []string{"dev", "etc", "mnt/batch/tasks", "proc", "run", "sys", "tmp"}
	skeletonFiles = []string{"etc/hostname", "etc/hosts", "etc/resolv.conf"}
)

func makeSkeleton(data string) (string, error) {
	dir := filepath.Join(data, tmpFolder, skeletonFolder)
	for _, name := range skeletonDirs {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return "", err
		}
	}
	for _, name := range skeletonFiles {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY, 0o644)
		if err = errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	return dir, os.Chmod(filepath.Join(dir, "tmp"), os.ModeSticky|0o777)
}
