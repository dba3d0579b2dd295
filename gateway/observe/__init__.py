"""What operators see: one event a request, read by the decision log and by Prometheus."""
