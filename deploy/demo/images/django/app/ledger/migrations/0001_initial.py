from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("number", models.BigAutoField(primary_key=True, serialize=False)),
                ("text", models.TextField()),
            ],
            options={"db_table": "entry"},
        ),
        migrations.CreateModel(
            name="Probe",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("value", models.TextField()),
            ],
            options={"db_table": "probe"},
        ),
    ]
