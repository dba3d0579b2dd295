"""Where requests come in: the road is ``edge.app.Gateway.respond``; everything else here is one step of it."""
