from django.db import models


class Entry(models.Model):
    number = models.BigAutoField(primary_key=True)
    text = models.TextField()

    class Meta:
        db_table = "entry"


class Probe(models.Model):
    name = models.TextField(primary_key=True)
    value = models.TextField()

    class Meta:
        db_table = "probe"
