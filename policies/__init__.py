# SPDX-License-Identifier: Apache-2.0
"""What is permitted: pure decisions about people and mail. Standard library only; knows nothing of `gateway`."""
