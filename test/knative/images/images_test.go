//go:build images

// Package images builds the images of all programs, as hack/images.sh does, into a registry of its own, and looks at
// them.
package images

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"
)

const (
	root    = "../../.."
	version = "v0.0.0-verified" // what the images are told to be
	user    = "65532"           // that of distroless images called nonroot
	largest = 20_000_000        // bytes of an image, compressed
)

var (
	programs  = []string{"ingest", "deliver", "retry", "manage", "homing", "homing-probe", "homing-rotate"}
	forLambda = "homing-rotate" // it takes no image for several platforms, and Terraform says which one
	platforms = []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}
)

// TestImages builds them twice, the second time from a copy of the source somewhere else.
func TestImages(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	base := pushBase(t, host)
	first := build(t, root, host+"/first", base)
	second := build(t, copied(t), host+"/second", base)
	for _, program := range programs {
		t.Run(program, func(t *testing.T) {
			require.Equal(t, first[program].DigestStr(), second[program].DigestStr(), "two builds of one source differ")
			if program == forLambda {
				lookAtOne(t, first[program])
				return
			}
			index, err := remote.Index(first[program])
			require.NoError(t, err)
			for _, platform := range platforms {
				look(t, program, first[program].Context(), index, platform)
			}
		})
	}
	deployed := resolved(t, host+"/third", base, "service deliver deliver")
	require.Contains(t, deployed, "image: "+host+"/third/deliver@"+first["deliver"].DigestStr())
	require.NotContains(t, deployed, "ko://")
}

// resolved is what hack/deploy.sh gives to kn: one manifest, with the image that ko has built and pushed for it.
func resolved(t *testing.T, repo, base, what string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c",
		". hack/deploy-lib.sh; OVERLAY=$(environment); need manifest; resolved "+what)
	cmd.Dir = root
	cmd.Env = environ(t, repo, base)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, said.String())
	return string(out)
}

// environ is what the scripts are told. Whether binaries know their commit is for .ko.yaml to say, not for this machine.
func environ(t *testing.T, repo, base string) []string {
	t.Helper()
	return append(os.Environ(), "GOFLAGS=-buildvcs=auto", "ENV=prod", "KO_DOCKER_REPO="+repo,
		"KO_DEFAULTBASEIMAGE="+base, "VERSION="+version,
		"SOURCE_DATE_EPOCH=1700000000", "PATH="+filepath.Join(checkout(t), ".dev", "bin")+":"+os.Getenv("PATH"))
}

// look checks one image of an index.
func look(t *testing.T, program string, repo name.Repository, index v1.ImageIndex, platform v1.Platform) {
	t.Helper()
	binary := inspect(t, program, repo, imageFor(t, index, platform))
	require.Contains(t, string(binary), version)
}

// lookAtOne checks an image that is no index.
func lookAtOne(t *testing.T, digest name.Digest) {
	t.Helper()
	found, err := remote.Get(digest)
	require.NoError(t, err)
	require.True(t, found.MediaType.IsImage(), found.MediaType)
	image, err := found.Image()
	require.NoError(t, err)
	config, err := image.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, "linux/arm64", config.OS+"/"+config.Architecture)
	inspect(t, forLambda, digest.Context(), image)
}

// inspect checks what all images have, and returns the program in it.
func inspect(t *testing.T, program string, repo name.Repository, image v1.Image) []byte {
	t.Helper()
	config, err := image.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, user, config.Config.User)
	size := compressed(t, image)
	require.Less(t, size, int64(largest))
	binary := entrypoint(t, image, config)
	require.NotContains(t, string(binary), checkout(t), "the path of the source is in it")
	sbom := sbomOf(t, repo, image)
	require.Contains(t, sbom, "SPDX-2.3")
	requireModules(t, sbom, binary)
	t.Logf("%s %s: %.1f MB compressed", program, config.Architecture, float64(size)/1e6)
	return binary
}

// requireModules fails when an SBOM leaves out a module of a program, by what the linker wrote into that.
func requireModules(t *testing.T, sbom string, program []byte) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(program))
	require.NoError(t, err)
	require.NotEmpty(t, info.Deps)
	for _, module := range info.Deps {
		purl := fmt.Sprintf(`"pkg:golang/%s@%s?`, module.Path, module.Version)
		require.True(t, strings.Contains(sbom, purl), "%s is in the program, and not in its SBOM", purl)
	}
}

// pushBase makes a base image as distroless ones are, of which none can be fetched where there is no registry.
func pushBase(t *testing.T, host string) string {
	t.Helper()
	ref, err := name.ParseReference(host + "/base:nonroot")
	require.NoError(t, err)
	index := v1.ImageIndex(empty.Index)
	for _, platform := range platforms {
		image, err := crane.Image(map[string][]byte{"etc/passwd": []byte("nonroot:x:65532:65532::/:/sbin/nologin\n")})
		require.NoError(t, err)
		config, err := image.ConfigFile()
		require.NoError(t, err)
		config.OS, config.Architecture, config.Config.User = platform.OS, platform.Architecture, user
		image, err = mutate.ConfigFile(image, config)
		require.NoError(t, err)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &platform},
		})
	}
	require.NoError(t, remote.WriteIndex(ref, index))
	return ref.String()
}

// build runs hack/images.sh and returns the images by program.
func build(t *testing.T, dir, repo, base string) map[string]name.Digest {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "hack/images.sh")
	cmd.Dir = dir
	cmd.Env = environ(t, repo, base)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, said.String())
	images := make(map[string]name.Digest)
	for line := range strings.Lines(string(out)) {
		digest, err := name.NewDigest(strings.TrimSpace(line))
		require.NoError(t, err)
		images[path.Base(digest.RepositoryStr())] = digest
	}
	require.Len(t, images, len(programs))
	return images
}

// checkout is where the source is.
func checkout(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(root)
	require.NoError(t, err)
	return dir
}

// copied is a copy of the source, without .git.
func copied(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	copying := exec.CommandContext(t.Context(), "sh", "-c",
		`git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$0"`, dir)
	copying.Dir = root
	out, err := copying.CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

func imageFor(t *testing.T, index v1.ImageIndex, platform v1.Platform) v1.Image {
	t.Helper()
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, len(platforms))
	for _, d := range manifest.Manifests {
		if d.Platform.OS == platform.OS && d.Platform.Architecture == platform.Architecture {
			image, err := index.Image(d.Digest)
			require.NoError(t, err)
			return image
		}
	}
	require.FailNow(t, "no image", platform.String())
	return nil
}

func compressed(t *testing.T, image v1.Image) (size int64) {
	t.Helper()
	manifest, err := image.Manifest()
	require.NoError(t, err)
	for _, layer := range manifest.Layers {
		size += layer.Size
	}
	return size
}

// entrypoint returns the program that the image runs.
func entrypoint(t *testing.T, image v1.Image, config *v1.ConfigFile) []byte {
	t.Helper()
	want := strings.TrimPrefix(config.Config.Entrypoint[0], "/")
	files := mutate.Extract(image)
	defer files.Close()
	for archive := tar.NewReader(files); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			require.FailNow(t, "the image has no "+want)
		}
		require.NoError(t, err)
		if strings.TrimPrefix(header.Name, "/") == want {
			binary, err := io.ReadAll(archive)
			require.NoError(t, err)
			return binary
		}
	}
}

// sbomOf returns what was pushed beside the image.
func sbomOf(t *testing.T, repo name.Repository, image v1.Image) string {
	t.Helper()
	digest, err := image.Digest()
	require.NoError(t, err)
	sbom, err := remote.Image(repo.Tag(fmt.Sprintf("sha256-%s.sbom", digest.Hex)))
	require.NoError(t, err)
	layers, err := sbom.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	text, err := layers[0].Uncompressed()
	require.NoError(t, err)
	defer text.Close()
	read, err := io.ReadAll(text)
	require.NoError(t, err)
	return string(read)
}
