"""kijabi.eks"""
