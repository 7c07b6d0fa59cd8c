"""Speed as ratios: each figure of ours beside a named peer, measured in turn in the same run."""
