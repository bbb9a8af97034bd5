"""kijabi.controllers"""
