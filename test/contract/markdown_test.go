package contract

import (
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// root is the root of the checkout.
const root = "../.."

// onGitHub begins the address of a file of this repository, as alerts and annotations name it.
const onGitHub = "https://github.com/homing-hooks/homing/blob/main/"

var (
	fence     = regexp.MustCompile("(?ms)^ *(```+)(\\w*)[^\n]*\n(.*?)^ *(```+) *$")
	codeSpan  = regexp.MustCompile("(?s)`+([^`]+)`+")
	mdLink    = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)(?:\s+"[^"]*")?\)`)
	reference = regexp.MustCompile(`(?m)^\[[^\]]+\]:\s*(\S+)`)
	heading   = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *#*$`)
	// makeCall finds what is called at the beginning of a line, behind variables, and inside $( ), pipes and lists.
	makeCall   = regexp.MustCompile(`(?m)(?:^|\$\(|[|;&] ?)(?:\w+=\S+ )*make((?: +[^\s|;&)#]+)*)`)
	hackFile   = regexp.MustCompile(`\bhack/[\w*./-]*\w`)
	testName   = regexp.MustCompile(`(?:^|[^:\w])(Test[A-Z]\w+)`)
	testFunc   = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
)

// page is a Markdown file.
type page struct {
	path string // from the root
	// prose is the text without code; code is the shell blocks and the spans of code in the prose, a line each.
	prose, code string
	anchors     []string
}

func readPage(text string) (p page) {
	var code strings.Builder
	p.prose = fence.ReplaceAllStringFunc(text, func(block string) string {
		parts := fence.FindStringSubmatch(block)
		if slices.Contains([]string{"sh", "bash", "shell", "console"}, parts[2]) {
			code.WriteString(parts[3] + "\n")
		}
		return ""
	})
	for _, h := range heading.FindAllStringSubmatch(p.prose, -1) {
		p.anchors = append(p.anchors, anchor(h[1], p.anchors))
	}
	p.prose = codeSpan.ReplaceAllStringFunc(p.prose, func(span string) string {
		code.WriteString(strings.ReplaceAll(strings.Trim(span, "`"), "\n", " ") + "\n")
		return "code"
	})
	p.code = code.String()
	return p
}

// anchor is what GitHub makes of a heading, told apart from those before it.
func anchor(text string, before []string) string {
	text = mdLink.ReplaceAllStringFunc(text, func(l string) string { return l[1:strings.Index(l, "]")] })
	made := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsNumber(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		default:
			return -1
		}
	}, text)
	unique := made
	for n := 1; slices.Contains(before, unique); n++ {
		unique = fmt.Sprintf("%s-%d", made, n)
	}
	return unique
}

// markdown reads all pages of a tree, by their paths.
func markdown(t *testing.T, tree fs.FS) map[string]page {
	t.Helper()
	pages := make(map[string]page)
	err := fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		hidden := entry != nil && strings.HasPrefix(entry.Name(), ".") && path != "." && path != ".github"
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (hidden || path == "bin"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".md"):
			return nil
		}
		text, err := fs.ReadFile(tree, path)
		p := readPage(string(text))
		p.path = path
		pages[path] = p
		return err
	})
	require.NoError(t, err)
	return pages
}

// brokenLinks returns a line for each link of a page that leads nowhere.
func brokenLinks(tree fs.FS, pages map[string]page, p page) (wrong []string) {
	links := append(mdLink.FindAllStringSubmatch(p.prose, -1), reference.FindAllStringSubmatch(p.prose, -1)...)
	for _, found := range links {
		to, base := found[1], filepath.Dir(p.path)
		if own, is := strings.CutPrefix(to, onGitHub); is {
			to, base = own, "."
		}
		u, err := url.Parse(to)
		if err != nil {
			wrong = append(wrong, p.path+": "+to+": "+err.Error())
			continue
		}
		if u.Scheme != "" || u.Host != "" {
			continue
		}
		path := p.path
		if u.Path != "" {
			path = filepath.ToSlash(filepath.Join(base, u.Path))
		}
		if _, err := fs.Stat(tree, path); err != nil {
			wrong = append(wrong, p.path+": there is no "+to)
			continue
		}
		if target, is := pages[path]; is && u.Fragment != "" && !slices.Contains(target.anchors, u.Fragment) {
			wrong = append(wrong, p.path+": there is no heading "+to)
		}
	}
	return wrong
}

// unknown returns a line for each target of make, each file in hack/ and each test (or beginning of tests' names) that
// a page names and that is not there.
func unknown(tree fs.FS, targets, tests []string, p page) (wrong []string) {
	for _, found := range testName.FindAllStringSubmatch(p.code, -1) {
		if !slices.ContainsFunc(tests, func(test string) bool { return strings.HasPrefix(test, found[1]) }) {
			wrong = append(wrong, p.path+": there is no "+found[1])
		}
	}
	for _, call := range makeCall.FindAllStringSubmatch(p.code, -1) {
		for word := range strings.FieldsSeq(call[1]) {
			if !regexp.MustCompile(`^[a-z][a-z-]*$`).MatchString(word) {
				break // a variable, an option
			}
			if !slices.Contains(targets, word) {
				wrong = append(wrong, p.path+": make has no target "+word)
			}
		}
	}
	for _, name := range hackFile.FindAllString(p.prose+"\n"+p.code, -1) {
		if found, err := fs.Glob(tree, name); err != nil || len(found) == 0 {
			wrong = append(wrong, p.path+": there is no "+name)
		}
	}
	return wrong
}

func targetsOf(t *testing.T, tree fs.FS) (targets []string) {
	t.Helper()
	text, err := fs.ReadFile(tree, "Makefile")
	require.NoError(t, err)
	for _, found := range makeTarget.FindAllStringSubmatch(string(text), -1) {
		targets = append(targets, found[1])
	}
	return targets
}

// testsOf returns the names of all tests of a tree.
func testsOf(t *testing.T, tree fs.FS) (tests []string) {
	t.Helper()
	err := fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(filepath.Dir(path), "test") {
			if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != "." {
				return fs.SkipDir
			}
			return err
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := fs.ReadFile(tree, path)
		for _, found := range testFunc.FindAllSubmatch(text, -1) {
			tests = append(tests, string(found[1]))
		}
		return err
	})
	require.NoError(t, err)
	require.Greater(t, len(tests), 500)
	return tests
}

// TestDocumentsLeadSomewhere holds every Markdown file of the repository: links within it, with their anchors, and the
// targets of make, scripts and tests that it names. What it names of the command line, cmd/homing holds.
func TestDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	tree := os.DirFS(root)
	pages := markdown(t, tree)
	require.Greater(t, len(pages), 80, "the pages are not found any more")
	targets := targetsOf(t, tree)
	require.Contains(t, targets, "verify-infra")
	tests := testsOf(t, tree)
	var wrong []string
	for _, p := range pages {
		wrong = append(wrong, brokenLinks(tree, pages, p)...)
		wrong = append(wrong, unknown(tree, targets, tests, p)...)
	}
	slices.Sort(wrong)
	wrong = slices.Compact(wrong)
	require.Empty(t, wrong, "%s", strings.Join(wrong, "\n"))
}

// TestNobodyTicksForPeople: what needs an act of a person is ticked on that person's copy.
func TestNobodyTicksForPeople(t *testing.T) {
	t.Parallel()
	boxes := 0
	for _, p := range markdown(t, os.DirFS(filepath.Join(root, "docs"))) {
		require.NotRegexp(t, `(?mi)^\s*[-*] \[x\]`, p.prose, p.path)
		boxes += strings.Count(p.prose, "- [ ]")
	}
	require.Greater(t, boxes, 15)
}

// TestEveryDocumentIsFound holds that one gets from the README to every page by links. A link to a directory shows its
// README, or what is in it when it has none.
func TestEveryDocumentIsFound(t *testing.T) {
	t.Parallel()
	pages := markdown(t, os.DirFS(root))
	reached := map[string]bool{"README.md": true}
	for next := []string{"README.md"}; len(next) > 0; next = next[1:] {
		p := pages[next[0]]
		for _, found := range mdLink.FindAllStringSubmatch(p.prose, -1) {
			path, _, _ := strings.Cut(found[1], "#")
			for _, to := range shownBy(pages, filepath.ToSlash(filepath.Join(filepath.Dir(p.path), path))) {
				if !reached[to] {
					reached[to] = true
					next = append(next, to)
				}
			}
		}
	}
	var lost []string
	for path := range pages {
		if strings.HasPrefix(path, "docs/") && !reached[path] {
			lost = append(lost, path)
		}
	}
	slices.Sort(lost)
	require.Empty(t, lost, "no link leads there: add them to docs/README.md")
}

// shownBy returns the pages that one sees at a path.
func shownBy(pages map[string]page, path string) (found []string) {
	for _, one := range []string{path, path + "/README.md"} {
		if _, is := pages[one]; is {
			return []string{one}
		}
	}
	for one := range pages {
		if filepath.ToSlash(filepath.Dir(one)) == path {
			found = append(found, one)
		}
	}
	return found
}

// TestDocumentsThatLeadNowhereAreFound makes sure that the test can fail at all.
func TestDocumentsThatLeadNowhereAreFound(t *testing.T) {
	t.Parallel()
	tree := os.DirFS(root)
	pages, targets, tests := markdown(t, tree), targetsOf(t, tree), testsOf(t, tree)
	for text, right := range map[string]bool{
		"[x](metrics.md)": true,
		"[x](metric.md)":  false,
		"[x](../terraform) [y](../README.md#use-it)":             true,
		"[x](../README.md#use-them)":                             false,
		"# The `end` of it\n[x](#the-end-of-it)":                 true,
		"# One\n# One\n[x](#one-1)":                              true,
		"[x](#nowhere)":                                          false,
		"[x](" + onGitHub + "docs/runbooks/None.md)":             false,
		"[x](" + onGitHub + "docs/runbooks/README.md)":           true,
		"[x](https://example.com/none.md)":                       true,
		"`[x](none.md)`":                                         true,
		"`make test`, then `ENV=dev make status`":                true,
		"`make tset`":                                            false,
		"We make mistakes.":                                      true,
		"```sh\nmake deploy ENV=dev\n```":                        true,
		"```sh\ncd x && make depoly ENV=dev\n```":                false,
		"```\nmake nothing of this\n```":                         true,
		"hack/services.sh, `hack/verify-*.sh` and hack/infradoc": true,
		"hack/service.sh":                                        false,
		"`TestDocumentsLeadSomewhere`, `-run TestDocument`":      true,
		"`TestDocumentsLeadNowhere`":                             false,
		"`hack/service.sh up`":                                   false,
	} {
		p := readPage(text)
		p.path = "docs/page.md"
		with := maps.Clone(pages)
		with[p.path] = p
		wrong := unknown(tree, targets, tests, p)
		for _, w := range brokenLinks(tree, with, p) {
			if !strings.Contains(w, "there is no #") || !slices.Contains(p.anchors, w[strings.Index(w, "#")+1:]) {
				wrong = append(wrong, w)
			}
		}
		require.Equal(t, right, len(wrong) == 0, "%s: %v", text, wrong)
	}
}
