package accept

import (
	"errors"
	"sync"
)

// errBusy says that as many requests are under way as are taken at once (HTTP 429).
var errBusy = errors.New("accept: too many requests at once: send it again later")

// places bounds the requests under way, and those of each tenant to half of them, so that none can shut the others out:
// a request holds its place while its body arrives, however slowly.
type places struct {
	mu     sync.Mutex
	most   int
	taken  int
	tenant map[string]int
}

func newPlaces(most int) *places { return &places{most: most, tenant: make(map[string]int)} }

// enter takes a place, before it is known whose; false when there is none.
func (p *places) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.most {
		return false
	}
	p.taken++
	return true
}

// leave gives a place back.
func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
}

// begin makes a place taken one of a tenant; false when the tenant has its half.
func (p *places) begin(tenant string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tenant[tenant] >= max(p.most/2, 1) {
		return false
	}
	p.tenant[tenant]++
	return true
}

// end makes a place nobody's again.
func (p *places) end(tenant string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tenant[tenant]--; p.tenant[tenant] == 0 {
		delete(p.tenant, tenant)
	}
}
