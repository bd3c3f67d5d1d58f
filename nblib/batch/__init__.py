"""Many runs: papermill on this machine or on a cluster, going on with what is missing whatever died on the way."""
