"""What people look at: the page of a media and that of the library, served on this machine alone.

This folder should contain the server, what it hands over of a media and of all media, and the pages with the libraries
that they use. Keep measuring, judging and deciding out of it: it shows what records say and what observers see.
"""
