package change_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// digests are what the steps of plugin math run, by the variants that they are.
func (r *rig) variants() map[string]string {
	r.t.Helper()
	out := make(map[string]string)
	for _, step := range []string{"p/times", "p/plus"} {
		runs, err := r.project.Catalog.Current("math", step)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, variant := range []string{"1", "2", "3"} {
			if runs.Digest == "sha256:"+digestOf(r.variant(variant)) {
				out[step] = variant
			}
		}
	}
	return out
}

// A canary swaps one step only. A swap of all follows it up, and is about what
// differs only; a rollback takes back what the newest swap has done, no more.
func TestCanary(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	want := func(what, times, plus string) {
		t.Helper()
		if diff := cmp.Diff(map[string]string{"p/times": times, "p/plus": plus}, r.variants()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		r.becomes(times)
	}
	want("before", "1", "1")
	if record := r.swap("2", "times"); len(record.Steps) != 1 || record.Steps[0].Step != "p/times" {
		t.Errorf("the canary was about %+v, want p/times", record.Steps)
	}
	want("with a canary", "2", "1")
	if record := r.swap("2"); len(record.Steps) != 1 || record.Steps[0].Step != "p/plus" {
		t.Errorf("the swap of all was about %+v, want p/plus, which differed", record.Steps)
	}
	want("with all", "2", "2")
	r.rollback()
	want("after a rollback", "2", "1")
	r.swap("3")
	want("with another for all", "3", "3")
	r.rollback()
	want("after its rollback", "2", "1")

	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
	again := begin(t, tuning{dir: r.dir})
	again.becomes("2")
	if diff := cmp.Diff(map[string]string{"p/times": "2", "p/plus": "1"}, again.variants()); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}
