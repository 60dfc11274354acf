# SPDX-License-Identifier: Apache-2.0
"""Speed, side by side with a baseline in the same run and told as ratios, so that the machine's own moods cancel."""
