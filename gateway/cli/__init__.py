# SPDX-License-Identifier: Apache-2.0
"""EDGE - the command line: `imip-gateway NOUN VERB`, one module per noun, each a thin caller of a flow."""
