//go:build images

package images

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"
)

// pipeline is two registries, that of the build and that of an environment, and two pairs of keys.
type pipeline struct {
	t                  *testing.T
	dir                string
	built, environment string
}

// TestPublish signs an image, copies it into another registry, and tries to have others copied. It is keyless in the
// pipeline; here it is by a key, and without the log of Sigstore, which cannot be reached.
func TestPublish(t *testing.T) {
	p := newPipeline(t)
	images := filepath.Join(p.dir, "images.txt")
	good := p.image("deliver", "homing-rotate")
	require.NoError(t, os.WriteFile(images, []byte(strings.Join(good, "\n")+"\n"), 0o600))

	said, err := p.run("ours", "hack/publish.sh", images)
	require.Error(t, err, "nobody has signed it")
	require.Contains(t, said, "not signed as it should be")

	said, err = p.run("ours", "hack/sign.sh", images)
	require.NoError(t, err, said)
	said, err = p.run("theirs", "hack/publish.sh", images)
	require.Error(t, err, "somebody else has signed it")
	require.Contains(t, said, "not signed as it should be")

	said, err = p.run("ours", "hack/publish.sh", images)
	require.NoError(t, err, said)
	for i, program := range []string{"deliver", "homing-rotate"} {
		digest, err := crane.Digest(p.environment + "/homing/" + program + ":v1.2.3")
		require.NoError(t, err)
		require.Equal(t, good[i][strings.Index(good[i], "@")+1:], digest, "it is the very image")
	}
	lines, err := os.ReadFile(filepath.Join(p.dir, "images.env"))
	require.NoError(t, err)
	require.Contains(t, string(lines), "IMAGE_DELIVER="+p.environment+"/homing/deliver@sha256:")
	require.Contains(t, string(lines), "IMAGE_HOMING_ROTATE="+p.environment+"/homing/homing-rotate@sha256:")

	said, err = p.run("ours", "hack/publish.sh", images)
	require.NoError(t, err, "once more: %s", said)
	said, err = p.run("ours", "hack/sign.sh", filepath.Join(p.dir, "published.txt"))
	require.NoError(t, err, said)

	require.NoError(t, os.WriteFile(images, []byte(p.image("deliver")[0]+"\n"), 0o600))
	said, err = p.run("ours", "hack/sign.sh", images)
	require.NoError(t, err, said)
	said, err = p.run("ours", "hack/publish.sh", images)
	require.Error(t, err, "the tag is another image's")
	require.Contains(t, said, "is another image")
}

// TestProvenance: what is attested names the commit and the run.
func TestProvenance(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "hack/provenance.sh")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=homing-hooks/homing",
		"GITHUB_RUN_ID=7", "GITHUB_RUN_ATTEMPT=2", "GITHUB_REF=refs/tags/v1.2.3",
		"GITHUB_WORKFLOW_REF=homing-hooks/homing/.github/workflows/deploy.yml@refs/tags/v1.2.3")
	out, err := cmd.Output()
	require.NoError(t, err)
	head := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD")
	head.Dir = root
	commit, err := head.Output()
	require.NoError(t, err)
	for _, want := range []string{
		`"gitCommit": "` + strings.TrimSpace(string(commit)) + `"`,
		`"id": "https://github.com/homing-hooks/homing/.github/workflows/deploy.yml@refs/tags/v1.2.3"`,
		`"invocationId": "https://github.com/homing-hooks/homing/actions/runs/7/attempts/2"`,
		`"ref": "refs/tags/v1.2.3"`,
	} {
		require.Contains(t, string(out), want)
	}
}

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	p := &pipeline{t: t, dir: t.TempDir()}
	for _, host := range []*string{&p.built, &p.environment} {
		server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true),
			registry.Logger(log.New(io.Discard, "", 0))))
		t.Cleanup(server.Close)
		*host = strings.TrimPrefix(server.URL, "http://")
	}
	for _, whose := range []string{"ours", "theirs"} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(checkout(t), ".dev/bin/cosign"), "generate-key-pair",
			"--output-key-prefix", whose)
		cmd.Dir, cmd.Env = p.dir, append(os.Environ(), "COSIGN_PASSWORD=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return p
}

// image pushes random images for two platforms, as if they had been built, and returns their names.
func (p *pipeline) image(programs ...string) []string {
	p.t.Helper()
	var names []string
	for _, program := range programs {
		index, err := random.Index(512, 1, 2)
		require.NoError(p.t, err)
		digest, err := index.Digest()
		require.NoError(p.t, err)
		ref, err := name.NewDigest(p.built + "/homing/" + program + "@" + digest.String())
		require.NoError(p.t, err)
		require.NoError(p.t, remote.WriteIndex(ref, index))
		names = append(names, ref.String())
	}
	return names
}

// run runs a script with a pair of keys.
func (p *pipeline) run(key, script, file string) (string, error) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), script, file)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "COSIGN_PASSWORD=", "COSIGN_KEY="+filepath.Join(p.dir, key+".key"),
		"VERIFY_KEY="+filepath.Join(p.dir, key+".pub"),
		"COSIGN_FLAGS=--tlog-upload=false --use-signing-config=false", "VERIFY_FLAGS=--insecure-ignore-tlog=true",
		"TAG=v1.2.3",
		"REGISTRY="+p.environment+"/homing", "IMAGES_ENV="+filepath.Join(p.dir, "images.env"),
		"PUBLISHED_FILE="+filepath.Join(p.dir, "published.txt"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
