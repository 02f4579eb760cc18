"""What goes over the network, apart from stores: one HTTP client, the webhook, playlists fetched by URL.

This folder should contain requests, their deadlines and retries, the guard against addresses that may not be asked, and
what an answer means. Keep stores (`storage/`) and what is done with an answer out of it.
"""
