package wire

import "slices"

// Split divides what is to be hinted at into hints of one type, each of one of n partitions and within MaxIDs.
func Split(hintType string, n int, due []Due, endpoints []Endpoint) []Hint {
	partitions := make([]Hint, n)
	for _, d := range due {
		p := &partitions[PartitionOf(d.Endpoint, n)]
		p.Deliveries = append(p.Deliveries, d)
	}
	for _, e := range endpoints {
		p := &partitions[PartitionOf(e.Endpoint, n)]
		p.Endpoints = append(p.Endpoints, e)
	}
	var hints []Hint
	for i := range partitions {
		for chunk := range slices.Chunk(partitions[i].Deliveries, MaxIDs) {
			hints = append(hints, Hint{Type: hintType, Partition: i, Deliveries: chunk})
		}
		for chunk := range slices.Chunk(partitions[i].Endpoints, MaxIDs) {
			hints = append(hints, Hint{Type: hintType, Partition: i, Endpoints: chunk})
		}
	}
	return hints
}
