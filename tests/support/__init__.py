# SPDX-License-Identifier: Apache-2.0
"""What tests are made with."""
