package attempt

import (
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
)

// workerIdle is for how long a goroutine waits for another attempt before it ends.
const workerIdle = time.Second

// job is claimed work to attempt, which holds a slot. done, when there is one, is told when it is over.
type job struct {
	work *store.Work
	// askedAt is before the claim was asked for, answeredAt when its answer was there, by the process's clock. The claim
	// was made in between: from askedAt on a lease has not lasted longer than it seems, from answeredAt on not shorter.
	askedAt, answeredAt time.Time
	done                *sync.WaitGroup
	// sent is what is logged of the event once it is sent, when its payload is held no more.
	sent described
}

// start begins an attempt, in a goroutine that has just ended another one if there is any: net/http needs a deep stack,
// and growing one anew for each attempt is a twentieth of what the process does at full load.
func (d *Deliverer) start(j job) {
	d.inFlight.Add(1)
	if j.done != nil {
		j.done.Add(1)
	}
	select {
	case d.jobs <- j:
	default:
		d.workers.Go(func() { d.work(j) })
	}
}

// work makes attempts until there has been none for a while, or the process ends.
func (d *Deliverer) work(j job) {
	idle := time.NewTimer(workerIdle)
	defer idle.Stop()
	for {
		d.finish(j)
		idle.Reset(workerIdle)
		select {
		case j = <-d.jobs:
		case <-idle.C:
			return
		case <-d.life.Done():
			return
		}
	}
}

// finish makes one attempt, and says that it is over whatever happens in it.
func (d *Deliverer) finish(j job) {
	defer d.inFlight.Done()
	if j.done != nil {
		defer j.done.Done()
	}
	d.attempt(&j)
}
