"""Learning a scenario from recordings: what is known of each stay, what it says of the world, and how well it fits.

`reading` goes through recordings, `estimating` makes a scenario and a report of what was read, `comparing` sets it
beside what it simulates, `plots` draws that. Needs `pip install 'runengine[simulation]'`, but for `reading`.
"""
