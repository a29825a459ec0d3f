// Command drainbench mines the lines of files with the engine of the Collector's drain processor,
// on one thread, and prints what it took and found.
//
//	go run ./drainbench [-depth 4] [-threshold 0.4] [-rounds 3] FILE...
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"sort"
	"syscall"

	"github.com/jaeyo/go-drain3/pkg/drain3"
)

type result struct {
	File         string  `json:"file"`
	Lines        int     `json:"lines"`
	Templates    int     `json:"templates"`
	CPUSeconds   float64 `json:"cpu_seconds"`
	LinesPerCPUS float64 `json:"lines_per_cpu_second"`
}

func main() {
	depth := flag.Int64("depth", 4, "tree_depth")
	threshold := flag.Float64("threshold", 0.4, "merge_threshold")
	rounds := flag.Int("rounds", 3, "times to mine each file; the median counts")
	flag.Parse()
	for _, name := range flag.Args() {
		lines, err := read(name)
		if err == nil {
			err = mine(name, lines, *depth, *threshold, *rounds)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func read(name string) ([]string, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var lines []string
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	return lines, scanner.Err()
}

func mine(name string, lines []string, depth int64, threshold float64, rounds int) error {
	var took []float64
	found := 0
	for range rounds {
		tree, err := drain3.NewDrain(drain3.WithDepth(depth), drain3.WithSimTh(threshold),
			drain3.WithMaxChildren(100), drain3.WithMaxCluster(math.MaxInt32))
		if err != nil {
			return err
		}
		ids := map[int64]bool{}
		began := cpu()
		for _, line := range lines {
			cluster, _, err := tree.AddLogMessage(line)
			if err != nil {
				return err
			}
			if cluster != nil {
				ids[cluster.ClusterId] = true
			}
		}
		took = append(took, cpu()-began)
		found = len(ids)
	}
	sort.Float64s(took)
	median := took[len(took)/2]
	return json.NewEncoder(os.Stdout).Encode(result{name, len(lines), found, median, float64(len(lines)) / median})
}

// cpu is the time this process has used on all cores, in seconds: the garbage collector's too.
func cpu() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}
